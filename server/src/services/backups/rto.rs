//! How long a recovery would take, out of the restore drills.

use quarterdeck_app::{
    moment::{Zone, length, stamp},
    view::backup::RtoView,
};
use quarterdeck_domain::{
    backup::{DrillDone, Method, RestoreSize, Rto, RtoRules, RtoState, RtoTrend, RtoUnknown},
    health::Band,
};
use time::Duration;

use super::watch::{BackupWatch, Look};
use crate::{clock::unix_ms, db::backups::drills::DrillRow};

/// How many of the last drills the estimate goes by.
const LAST: usize = 5;
/// After so long a drill says nothing any more, where no schedule of drills is configured.
const STALE: Duration = Duration::days(8);

/// As the page shows it. It goes by the way of recovery by which least would be lost: base backups with WAL where there are any,
/// else dumps.
pub(super) fn view(watch: &BackupWatch, look: &Look, drills: &[DrillRow]) -> RtoView {
    let config = watch.config();
    let target_ms = config.rto_target_s.saturating_mul(1000);
    let human = Duration::seconds(i64::try_from(config.human_steps_s).unwrap_or(i64::MAX));
    let method = if look.map.newest_span().is_some() {
        Method::Base
    } else {
        Method::Dump
    };
    let done: Vec<DrillDone> = drills
        .iter()
        .filter(|row| row.method == method.key())
        .filter_map(done)
        .collect();
    let rules = RtoRules {
        last: LAST,
        stale_after: config
            .drill
            .as_ref()
            .map_or(STALE, |drill| Duration::days(drill.stale_days.into())),
        human,
    };
    let today = today(look, method, &done);
    let rto = Rto::of(&done, today, &rules, look.at);
    let mut notes = Vec::new();
    let mut spread_ms = None;
    match &rto {
        Rto::Measured {
            newest_at,
            drills,
            shortest_ms,
            longest_ms,
            human_ms,
            ..
        } => {
            spread_ms = Some((signed(*shortest_ms), signed(*longest_ms)));
            notes.push(format!(
                "As {drills} drills have measured it ({}), the last at {}, scaled to today's size, with {} for people.",
                method.label(),
                stamp(unix_ms(*newest_at), Zone::Utc),
                length(signed(*human_ms))
            ));
        }
        Rto::Unknown(RtoUnknown::NeverDrilled) => notes.push(format!(
            "It was never restored to see how long it takes ({}): begin a drill.",
            method.label()
        )),
        Rto::Unknown(RtoUnknown::LastFailed { at }) => notes.push(format!(
            "The last drill ({}), at {}, failed: it may not be possible to recover at all. See what it says.",
            method.label(),
            stamp(unix_ms(*at), Zone::Utc)
        )),
        Rto::Unknown(RtoUnknown::Stale { at }) => notes.push(format!(
            "The last drill ({}) was at {}, too long ago to say anything: begin one.",
            method.label(),
            stamp(unix_ms(*at), Zone::Utc)
        )),
    }
    if let Some(crosses) = RtoTrend::of(&done, human, target_ms, look.at).and_then(|trend| trend.crosses_at) {
        notes.push(format!(
            "As it grows, it crosses the target at {}.",
            stamp(unix_ms(crosses), Zone::Utc)
        ));
    }
    let mut history: Vec<(i64, i64)> = done
        .iter()
        .filter(|drill| drill.succeeded)
        .map(|drill| {
            (
                unix_ms(drill.ended_at),
                signed(drill.measured_ms()) + milliseconds(human),
            )
        })
        .collect();
    history.sort_unstable();
    RtoView {
        band: match rto.state(target_ms) {
            RtoState::Within => Band::Ok,
            RtoState::AtRisk => Band::Degraded,
            RtoState::Over => Band::Alert,
            RtoState::Unknown => Band::Unknown,
        },
        target_ms: signed(target_ms),
        estimate_ms: rto.expected_ms().map(signed),
        human_ms: milliseconds(human),
        spread_ms,
        notes,
        history,
    }
}

/// A drill that came to its own end; one that was cancelled or lost says nothing.
fn done(row: &DrillRow) -> Option<DrillDone> {
    let succeeded = match row.state.as_str() {
        "succeeded" => true,
        "failed" => false,
        _ => return None,
    };
    Some(DrillDone {
        ended_at: row.ended_at?,
        succeeded,
        steps: row.steps.0.clone(),
        size: RestoreSize {
            backup_bytes: row.backup_bytes.map_or(0, i64::unsigned_abs),
            wal_bytes: row.wal_bytes.map_or(0, i64::unsigned_abs),
        },
    })
}

/// What would have to be restored today: the newest copy, and the WAL after it.
fn today(look: &Look, method: Method, done: &[DrillDone]) -> RestoreSize {
    let size_of = |name: &str| {
        let mut copies = look.inventory.iter().flat_map(|inventory| &inventory.copies);
        copies.find(|copy| copy.name == name).map(|copy| copy.bytes)
    };
    let span = look.map.newest_span();
    let newest = match method {
        Method::Base => span
            .and_then(|span| span.bases.last())
            .and_then(|base| size_of(&base.id)),
        Method::Dump | Method::Wal | Method::RedisRdb | Method::RedisAof => {
            look.map.dots.last().and_then(|dot| size_of(&dot.id))
        }
    };
    let last = done.iter().max_by_key(|drill| drill.ended_at);
    let wal_bytes = match (method, span, &look.archive) {
        (Method::Base, Some(span), Some(Ok(archive))) => {
            let since = span.bases.last().map(|base| base.from);
            let segments = archive.wal.segments().iter();
            segments
                .filter(|segment| since.is_some_and(|since| segment.stored_at >= since))
                .filter_map(|segment| archive.files.get(&segment.name))
                .map(|file| file.bytes)
                .sum()
        }
        _ => 0,
    };
    RestoreSize {
        backup_bytes: newest.unwrap_or_else(|| last.map_or(0, |last| last.size.backup_bytes)),
        wal_bytes,
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.whole_milliseconds()).unwrap_or(i64::MAX)
}
