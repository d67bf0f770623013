//! Backups as pages and the API show them.

use std::collections::HashMap;

use quarterdeck_app::{
    moment::{Zone, clock_time, length, stamp},
    view::backup::{
        ArchiveView, BackupsView, CalendarCellView, CalendarRowView, CopyView, MapDotView, MapHoleView,
        MapSpanView, MapView, MethodView, RecoverabilityVerdictView, RpoView, RunView,
    },
};
use quarterdeck_domain::{
    backup::{
        Condition, Continuous, DoneRun, DotKind, ExpectedRun, ExpectedState, Exposure, Method, RpoPoint,
        RunState, Schedule, SegmentSize, rpo,
    },
    health::Band,
};
use time::{Duration, OffsetDateTime, Time};

use super::{
    pages, rto,
    watch::{BackupWatch, Look},
};
use crate::{
    clock::unix_ms,
    db::{
        DbError,
        backups::{
            copies::CopyRow,
            drills::{self, DrillRow},
            points::{self, PointRow},
            runs::{self, RunRow},
        },
    },
};

/// What the calendar and the runs go back to.
const CALENDAR: Duration = Duration::weeks(5);
/// How far back the history of the exposure goes on the page.
const HISTORY: Duration = Duration::days(1);
/// How far back the worst is looked for.
const WORST: Duration = Duration::days(30);
/// Points of the exposure that lie further apart than this are not joined.
const APART: Duration = Duration::minutes(5);
/// So many copies, and runs, are listed.
const COPIES: usize = 2_000;
const RUNS: i64 = 4_000;
const RUNS_SHOWN: usize = 40;
const DRILLS_SHOWN: usize = 10;
/// A WAL archive that is fine stores a segment within this time beyond `archive_timeout`.
const ARCHIVE_GRACE: Duration = Duration::minutes(2);

/// What the console's own database tells of backups.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    runs: Vec<RunRow>,
    drills: Vec<DrillRow>,
    /// The worst of each quarter of an hour.
    worst: Vec<PointRow>,
    /// Of the last day.
    history: Vec<PointRow>,
}

impl Remembered {
    pub(super) async fn load(pool: &sqlx::PgPool, now: OffsetDateTime) -> Result<Self, DbError> {
        let (runs, drills, worst, history) = tokio::try_join!(
            runs::recent(pool, now - CALENDAR, RUNS),
            drills::recent(pool, 200),
            points::worst_by_bucket(pool, now - WORST, 900),
            points::worst_by_bucket(pool, now - HISTORY, 120),
        )?;
        Ok(Self {
            runs,
            drills,
            worst,
            history,
        })
    }
}

/// Everything, out of a look and what is remembered; without the latter while the console's own database is away.
pub(super) fn backups(watch: &BackupWatch, look: &Look, remembered: Option<&Remembered>) -> BackupsView {
    let empty = Remembered::default();
    let known = remembered.unwrap_or(&empty);
    let mut troubles = troubles(look);
    if remembered.is_none() {
        troubles.push(
            "The console's own database is away: runs, verifications, drills and histories are not shown."
                .to_owned(),
        );
    }
    let copies = copies(look);
    let methods: Vec<MethodView> = Method::ALL
        .into_iter()
        .filter_map(|method| method_view(method, watch, look, &copies, known))
        .collect();
    let rpo = rpo_view(watch, look, known);
    let rto = rto::view(watch, look, &known.drills);
    let map = map(look);
    let archive = archive(look);
    let verdict = verdict(look, &rpo, &rto, &methods, archive.as_ref(), &map, &troubles);
    let left_out = copies.len().saturating_sub(COPIES);
    BackupsView {
        read_at_ms: unix_ms(look.at),
        verdict,
        rpo,
        rto,
        map,
        methods,
        archive,
        calendar: calendar(watch, look, &copies, known),
        runs: known
            .runs
            .iter()
            .take(RUNS_SHOWN)
            .map(|row| run(row, look.at))
            .collect(),
        drills: known.drills.iter().take(DRILLS_SHOWN).map(pages::drill).collect(),
        copies: copies.into_iter().take(COPIES).collect(),
        copies_left_out: left_out,
        others: look
            .inventory
            .iter()
            .flat_map(|inventory| &inventory.others)
            .map(|file| file.path.clone())
            .collect(),
        troubles,
    }
}

fn troubles(look: &Look) -> Vec<String> {
    let mut troubles = Vec::new();
    if let Err(error) = &look.inventory {
        troubles.push(format!("What is kept is not known: {error}."));
    }
    if let Some(Err(error)) = &look.archive {
        troubles.push(format!("What is archived of the WAL is not known: {error}."));
    }
    if let Err(error) = &look.primary {
        troubles.push(format!(
            "What the primary has written since is not known: {error}."
        ));
    }
    if let Ok(primary) = &look.primary {
        let skew = primary.clock - look.at;
        if skew.abs() > Duration::seconds(30) {
            troubles.push(format!(
                "The clocks of the console and of {} differ by {}: instants are off by as much.",
                primary.node,
                length(milliseconds(skew.abs()))
            ));
        }
        if !primary.archives {
            troubles.push(format!(
                "{} does not archive its WAL: archive_mode is off.",
                primary.node
            ));
        }
    }
    troubles
}

/// The copies, the newest first, each with its growth.
pub(super) fn copies(look: &Look) -> Vec<CopyView> {
    let inventory = look.inventory.iter().flat_map(|inventory| &inventory.copies);
    let mut copies: Vec<CopyView> = inventory
        .map(|copy| {
            let row = look.rows.as_ref().and_then(|rows| rows.get(&copy.name));
            let instant = copy
                .manifest
                .as_ref()
                .map_or(copy.stored_at, |manifest| manifest.source.instant());
            let damage = copy
                .damage
                .clone()
                .or_else(|| row.and_then(|row| row.damage.clone()));
            CopyView {
                name: copy.name.clone(),
                method: copy.method,
                instant_ms: unix_ms(instant),
                bytes: copy.bytes,
                growth_percent: None,
                condition: copy.condition(row).key().to_owned(),
                damage,
                verified_at_ms: row.and_then(|row| row.verified_at).map(unix_ms),
                pinned: row.and_then(pinned),
            }
        })
        .collect();
    copies.sort_by(|a, b| (b.instant_ms, &b.name).cmp(&(a.instant_ms, &a.name)));
    let mut before: HashMap<Method, u64> = HashMap::new();
    for copy in copies.iter_mut().rev() {
        if let Some(before) = before
            .insert(copy.method, copy.bytes)
            .filter(|before| *before > 0)
        {
            let (now, before) = (i128::from(copy.bytes), i128::from(before));
            copy.growth_percent = i64::try_from((now - before) * 100 / before).ok();
        }
    }
    copies
}

pub(super) fn pinned(row: &CopyRow) -> Option<(String, String)> {
    Some((row.pinned_by.clone()?, row.pin_reason.clone().unwrap_or_default()))
}

fn method_view(
    method: Method,
    watch: &BackupWatch,
    look: &Look,
    copies: &[CopyView],
    known: &Remembered,
) -> Option<MethodView> {
    let config = watch.config();
    let keep_days = config.keep_days(method)?;
    if method == Method::Wal {
        return Some(wal_view(look, keep_days));
    }
    if method == Method::RedisAof {
        return Some(aof_view(look, keep_days, copies));
    }
    let own: Vec<&CopyView> = copies.iter().filter(|copy| copy.method == method).collect();
    let newest = own.iter().find(|copy| copy.condition != "damaged");
    let last = known
        .runs
        .iter()
        .find(|run| run.method == method.key() && run.state != "running");
    let schedule = config
        .schedule(method)
        .zip(config.patience(method))
        .and_then(|(pattern, (grace, _))| Schedule::new(pattern, u32::try_from(grace.as_secs()).ok()?).ok());
    let next = schedule
        .as_ref()
        .and_then(|schedule| schedule.next_after(look.at));
    let (band, state) = if look.inventory.is_err() {
        (Band::Unknown, "the store can't be looked into".to_owned())
    } else if own.first().is_some_and(|copy| copy.condition == "damaged") {
        (Band::Alert, "the newest copy is damaged".to_owned())
    } else {
        match (newest, last.map(|run| run.state.as_str())) {
            (None, Some("failed" | "lost")) => (
                Band::Alert,
                "the last run failed, and there is no copy".to_owned(),
            ),
            (None, _) => (Band::Alert, "there is no copy".to_owned()),
            (Some(_), Some("failed" | "lost")) => (Band::Alert, "the last run failed".to_owned()),
            (Some(newest), _) => match overdue(schedule.as_ref(), newest, look.at) {
                Some(missed) => (
                    Band::Alert,
                    format!("the run of {} was missed", stamp(unix_ms(missed), Zone::Utc)),
                ),
                None if newest.condition == "good" => (Band::Ok, "verified".to_owned()),
                None => (Band::Degraded, "the newest copy is not verified yet".to_owned()),
            },
        }
    };
    Some(MethodView {
        method,
        band,
        state,
        newest_at_ms: newest.map(|copy| copy.instant_ms),
        next_at_ms: next.map(unix_ms),
        schedule: config
            .schedule(method)
            .map_or_else(|| "continuously".to_owned(), |pattern| format!("{pattern} UTC")),
        keep_days,
        copies: own.len(),
        bytes: own.iter().map(|copy| copy.bytes).sum(),
    })
}

/// The last time of the schedule that should have given a copy, if the newest is older than it.
fn overdue(schedule: Option<&Schedule>, newest: &CopyView, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let schedule = schedule?;
    // A run takes its time, and the snapshot of its copy is of its beginning.
    let due = schedule.judge(&[], now - Duration::weeks(5), now, now);
    let last = due
        .iter()
        .rev()
        .find(|run| run.state == ExpectedState::Missed)?
        .at;
    (newest.instant_ms < unix_ms(last)).then_some(last)
}

fn wal_view(look: &Look, keep_days: u32) -> MethodView {
    let archive = look.archive.as_ref();
    let found = archive.and_then(|archive| archive.as_ref().ok());
    let newest = found.and_then(|found| found.wal.segments().iter().map(|segment| segment.stored_at).max());
    let (band, state) = match (archive, &look.primary) {
        (None | Some(Err(_)), _) => (Band::Unknown, "the archive can't be looked into".to_owned()),
        (Some(Ok(_)), Err(_)) => (Band::Unknown, "the primary can't be asked what waits".to_owned()),
        (Some(Ok(_)), Ok(primary)) => match (&primary.failing, &primary.ready) {
            (Some((segment, _)), _) => (Band::Alert, format!("archive_command fails at {segment}")),
            (None, Some(ready)) if !ready.is_empty() => {
                // One that waits for a moment is no backlog.
                let stale = Continuous::by_age(
                    newest,
                    look.at,
                    timeout(primary.archive_timeout_s) + ARCHIVE_GRACE,
                );
                match stale {
                    Continuous::Fresh => (Band::Ok, format!("{} segments wait", ready.len())),
                    Continuous::Stale { .. } | Continuous::Never => (
                        Band::Alert,
                        format!("{} segments wait, and nothing was stored for long", ready.len()),
                    ),
                }
            }
            (None, Some(_)) => (Band::Ok, "nothing waits".to_owned()),
            (None, None) => (
                Band::Degraded,
                "what waits is not known: GRANT pg_monitor".to_owned(),
            ),
        },
    };
    MethodView {
        method: Method::Wal,
        band,
        state,
        newest_at_ms: newest.map(unix_ms),
        next_at_ms: None,
        schedule: "continuously".to_owned(),
        keep_days,
        copies: found.map_or(0, |found| found.wal.segments().len()),
        bytes: found.map_or(0, |found| found.bytes),
    }
}

/// The append-only file protects by being written; copies of it are made when somebody asks.
fn aof_view(look: &Look, keep_days: u32, copies: &[CopyView]) -> MethodView {
    let own = || copies.iter().filter(|copy| copy.method == Method::RedisAof);
    let (band, state) = match &look.redis {
        None => (Band::Unknown, "Redis was not asked".to_owned()),
        Some(Err(error)) => (Band::Unknown, format!("Redis can't be asked: {error}")),
        Some(Ok(redis)) if redis.loading => (Band::Unknown, "Redis is loading its data".to_owned()),
        Some(Ok(redis)) if !redis.aof_enabled => (Band::Alert, "appendonly is off".to_owned()),
        Some(Ok(redis)) if !redis.aof_ok => (Band::Alert, "the last write or rewrite failed".to_owned()),
        Some(Ok(_)) => (Band::Ok, "being written".to_owned()),
    };
    MethodView {
        method: Method::RedisAof,
        band,
        state,
        newest_at_ms: own()
            .find(|copy| copy.condition != "damaged")
            .map(|copy| copy.instant_ms),
        next_at_ms: None,
        schedule: "continuously".to_owned(),
        keep_days,
        copies: own().count(),
        bytes: own().map(|copy| copy.bytes).sum(),
    }
}

fn timeout(seconds: i32) -> Duration {
    Duration::seconds(seconds.into())
}

fn rpo_view(watch: &BackupWatch, look: &Look, known: &Remembered) -> RpoView {
    let target_ms = i64::try_from(watch.config().rpo_target_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    let exposed_ms = look.exposure.ms();
    let reachable_at = look.reachable_at();
    let age_ms = reachable_at.map(|at| milliseconds(look.at - at).max(0));
    let mut notes = Vec::new();
    match look.exposure {
        Exposure::Nothing => {
            notes.push("Everything that was written is stored; the rest of the age is idleness.".to_owned())
        }
        Exposure::Since {
            safe_until, written, ..
        } => {
            let since = clock_time(unix_ms(safe_until), Zone::Utc);
            notes.push(if written {
                format!("What was written since {since} is on the servers alone.")
            } else {
                format!("The primary was not heard of since {since}: it may have written more.")
            });
        }
        Exposure::Unknown { at_least_ms } => notes.push(match at_least_ms {
            Some(ms) => format!(
                "It is not known what is safe; at least the last {} are not.",
                length(ms)
            ),
            None => "It is not known what is safe.".to_owned(),
        }),
    }
    if let (Ok(primary), true) = (&look.primary, look.archive.is_some())
        && primary.archive_timeout_s == 0
    {
        notes.push("archive_timeout is 0: a segment that isn't full is never stored.".to_owned());
    }
    let points: Vec<RpoPoint> = known.worst.iter().map(point).collect();
    let worst = rpo::worst(&points, look.at - WORST, look.at, Duration::minutes(20));
    RpoView {
        band: band_within(exposed_ms, target_ms),
        target_ms,
        reachable_at_ms: reachable_at.map(unix_ms),
        age_ms,
        exposed_ms,
        standby_ms: look.standby_exposure.and_then(|exposure| exposure.ms()),
        notes,
        worst: worst
            .worst
            .and_then(|point| Some((point.exposed_ms?, unix_ms(point.at)))),
        history: history(&known.history),
    }
}

/// The points of a chart: where they lie far apart, it was not known between.
fn history(rows: &[PointRow]) -> Vec<(i64, Option<i64>)> {
    let mut history: Vec<(i64, Option<i64>)> = Vec::new();
    let mut last: Option<OffsetDateTime> = None;
    for row in rows {
        if let Some(last) = last.filter(|last| row.at - *last > APART) {
            history.push((unix_ms(last) + 1, None));
        }
        history.push((unix_ms(row.at), row.exposed_ms));
        last = Some(row.at);
    }
    history
}

fn point(row: &PointRow) -> RpoPoint {
    RpoPoint {
        at: row.at,
        exposed_ms: row.exposed_ms,
    }
}

/// How a figure stands against a target: from three quarters on it is near.
pub(super) fn band_within(ms: Option<i64>, target_ms: i64) -> Band {
    match ms {
        None => Band::Unknown,
        Some(ms) if ms > target_ms => Band::Alert,
        Some(ms) if ms > target_ms / 4 * 3 => Band::Degraded,
        Some(_) => Band::Ok,
    }
}

fn map(look: &Look) -> MapView {
    let map = &look.map;
    let size = look
        .primary
        .as_ref()
        .map_or(SegmentSize::DEFAULT, |state| state.segment_size);
    let spans = |spans: &[quarterdeck_domain::backup::Span], branch| {
        spans
            .iter()
            .map(|span| MapSpanView {
                from_ms: unix_ms(span.from),
                to_ms: unix_ms(span.to),
                certain_to_ms: unix_ms(span.certain_to),
                timeline: span.timeline,
                bases: span.bases.iter().map(|base| base.id.clone()).collect(),
                branch,
            })
            .collect::<Vec<_>>()
    };
    let mut all = spans(&map.spans, false);
    all.extend(spans(&map.branches, true));
    let first = all
        .iter()
        .map(|span| span.from_ms)
        .chain(map.dots.iter().map(|dot| unix_ms(dot.at)))
        .min();
    let from = (look.at - WORST).min(look.at);
    MapView {
        from_ms: first.unwrap_or_else(|| unix_ms(from)).min(unix_ms(from)),
        to_ms: unix_ms(look.at + Duration::days(7)),
        now_ms: unix_ms(look.at),
        spans: all,
        dots: map
            .dots
            .iter()
            .map(|dot| MapDotView {
                at_ms: unix_ms(dot.at),
                backup: dot.id.clone(),
                kind: match dot.kind {
                    DotKind::Base => "base backup".to_owned(),
                    DotKind::Dump => "dump".to_owned(),
                },
            })
            .collect(),
        holes: map
            .holes
            .iter()
            .map(|hole| MapHoleView {
                from_ms: unix_ms(hole.from),
                to_ms: hole.to.map(unix_ms),
                cause: hole.cause.words(size),
                ahead: false,
            })
            .chain(look.forecast.as_scheduled.iter().map(|opening| MapHoleView {
                from_ms: unix_ms(opening.from),
                to_ms: opening.to.map(unix_ms),
                cause: opening.words(),
                ahead: true,
            }))
            .collect(),
    }
}

fn archive(look: &Look) -> Option<ArchiveView> {
    let found = look.archive.as_ref()?.as_ref().ok()?;
    let size = found.wal.size();
    let timelines = found.wal.continuity();
    let gaps = timelines
        .iter()
        .flat_map(|timeline| &timeline.gaps)
        .map(|gap| sentence(&gap.words(size)))
        .collect();
    let primary = look.primary.as_ref().ok();
    Some(ArchiveView {
        place: found.place.clone(),
        segments: found.wal.segments().len(),
        bytes: found.bytes,
        timelines,
        gaps,
        waiting: primary.and_then(|primary| primary.ready.as_ref()).map(Vec::len),
        failing: primary.and_then(|primary| {
            let (segment, at) = primary.failing.as_ref()?;
            Some(format!(
                "archive_command of {} fails at {segment}, last at {}.",
                primary.node,
                clock_time(unix_ms(*at), Zone::Utc)
            ))
        }),
        findings: found.findings.iter().map(|finding| sentence(finding)).collect(),
    })
}

/// Words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase);
    let text: String = first.into_iter().flatten().chain(letters).collect();
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

pub(super) fn run(row: &RunRow, now: OffsetDateTime) -> RunView {
    let elapsed_s = u64::try_from((now - row.began_at).whole_seconds()).unwrap_or(0);
    let done_bytes = row.done_bytes.unsigned_abs();
    RunView {
        id: row.id.to_string(),
        method: Method::from_key(&row.method).unwrap_or(Method::Dump),
        state: row.state.clone(),
        by: match (row.origin.as_str(), &row.asked_by) {
            ("schedule", _) => "schedule".to_owned(),
            ("outside", Some(by)) => format!("a job elsewhere, told by {by}"),
            ("outside", None) => "a job elsewhere".to_owned(),
            (_, by) => by.clone().unwrap_or_default(),
        },
        host: row.host.clone(),
        began_at_ms: unix_ms(row.began_at),
        ended_at_ms: row.ended_at.map(unix_ms),
        phase: row.phase.clone(),
        done_bytes,
        total_bytes: row.total_bytes.map(i64::unsigned_abs),
        rate_bytes_per_s: done_bytes
            .checked_div(elapsed_s)
            .filter(|_| row.state == "running"),
        command: row.command.clone(),
        exit_code: row.exit_code,
        error: row.error.clone(),
        backup: row.backup.clone(),
        cancelling: row.cancel_asked_by.is_some(),
    }
}

fn calendar(
    watch: &BackupWatch,
    look: &Look,
    copies: &[CopyView],
    known: &Remembered,
) -> Vec<CalendarRowView> {
    let config = watch.config();
    let conditions: HashMap<&str, Condition> = copies
        .iter()
        .map(|copy| {
            let condition = Condition::from_key(&copy.condition).unwrap_or(Condition::Unverified);
            (copy.name.as_str(), condition)
        })
        .collect();
    // Whole weeks, of which this is the last.
    let today = look.at.replace_time(Time::MIDNIGHT);
    let to = today + Duration::days(7 - i64::from(look.at.weekday().number_days_from_monday()));
    // What was before the console looked was not missed.
    let runs = known.runs.iter().map(|run| run.began_at);
    let looked = known.worst.iter().map(|point| point.at);
    let since = runs.chain(looked).min().unwrap_or(look.at);
    let from = (to - CALENDAR).max(since);
    let rows = Method::ALL.into_iter().filter_map(|method| {
        let (grace, _) = config.patience(method)?;
        let schedule = Schedule::new(config.schedule(method)?, u32::try_from(grace.as_secs()).ok()?).ok()?;
        let done: Vec<DoneRun> = known
            .runs
            .iter()
            .rev()
            .filter(|run| run.method == method.key())
            .map(|run| done_run(run, &conditions))
            .collect();
        let cells = schedule.judge(&done, from, to, look.at);
        Some(CalendarRowView {
            method,
            cells: cells.iter().map(cell).collect(),
        })
    });
    rows.collect()
}

fn done_run(run: &RunRow, conditions: &HashMap<&str, Condition>) -> DoneRun {
    DoneRun {
        id: run.id,
        scheduled_for: run.scheduled_for,
        began_at: run.began_at,
        state: match run.state.as_str() {
            "running" => RunState::Running,
            // A copy that retention has deleted since was good as long as it was kept.
            "succeeded" => RunState::Succeeded(
                run.backup
                    .as_deref()
                    .and_then(|backup| conditions.get(backup).copied())
                    .unwrap_or(Condition::Good),
            ),
            _ => RunState::Failed,
        },
    }
}

fn cell(expected: &ExpectedRun) -> CalendarCellView {
    CalendarCellView {
        at_ms: unix_ms(expected.at),
        state: expected.state,
        run: expected.run.map(|run| run.to_string()),
    }
}

fn verdict(
    look: &Look,
    rpo: &RpoView,
    rto: &quarterdeck_app::view::backup::RtoView,
    methods: &[MethodView],
    archive: Option<&ArchiveView>,
    map: &MapView,
    troubles: &[String],
) -> RecoverabilityVerdictView {
    let time = rto.estimate_ms.map_or_else(
        || "; it is not known how long that takes".to_owned(),
        |ms| format!(", in about {}", length(ms)),
    );
    let headline = match (rpo.reachable_at_ms, rpo.age_ms) {
        (Some(at), Some(age)) => {
            let day = age >= 86_400_000;
            let at = if day {
                stamp(at, Zone::Utc)
            } else {
                clock_time(at, Zone::Utc)
            };
            format!("Recoverable to {at}, {} ago{time}.", length(age))
        }
        _ if look.inventory.is_err() => "It is not known what could be recovered.".to_owned(),
        _ => "Nothing could be recovered: no usable backup is kept.".to_owned(),
    };
    let mut band = worst(rpo.band, rto.band);
    if rpo.reachable_at_ms.is_none() && look.inventory.is_ok() {
        band = Band::Alert;
    }
    let mut why = troubles.to_vec();
    for method in methods {
        band = worst(band, method.band);
        if method.band != Band::Ok {
            why.push(format!("{}: {}.", method.method.label(), method.state));
        }
    }
    why.extend(archive.iter().flat_map(|archive| archive.failing.clone()));
    why.extend(archive.iter().flat_map(|archive| archive.gaps.iter().cloned()));
    why.extend(
        map.holes
            .iter()
            .filter(|hole| hole.ahead)
            .map(|hole| hole.cause.clone()),
    );
    if rpo.band != Band::Ok {
        why.extend(rpo.notes.first().cloned());
    }
    if rto.band != Band::Ok {
        why.extend(rto.notes.first().cloned());
    }
    RecoverabilityVerdictView { band, headline, why }
}

fn worst(a: Band, b: Band) -> Band {
    if a.urgency() >= b.urgency() { a } else { b }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.whole_milliseconds()).unwrap_or(i64::MAX)
}
