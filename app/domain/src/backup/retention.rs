//! What is deleted because it is old, and what stays although it is.
//!
//! Whatever the rules: the last good copy of its kind stays, also when newer ones are there that nobody has verified, and so do
//! what somebody has pinned and the WAL that a base backup needs which stays.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Base, Condition, Line, Method, SegmentSize, Timeline, WalArchive};
use crate::cluster::Lsn;

/// Which WAL goes once it is old enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WalRule {
    /// What no base backup that stays needs.
    Needless,
    /// All but what the last good base backup needs: base backups that are older lose what could be replayed on them.
    Old,
    /// All, by a rule of the store that knows of no base backups. The console deletes none.
    Elsewhere,
}

/// How long copies of each kind stay; none for what is never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Base backups.
    pub base: Option<Duration>,
    /// Dumps.
    pub dump: Option<Duration>,
    /// WAL.
    pub wal: Option<Duration>,
    /// Which WAL goes then.
    pub wal_rule: WalRule,
    /// Redis' snapshots.
    pub redis_rdb: Option<Duration>,
    /// Redis' append-only files.
    pub redis_aof: Option<Duration>,
}

impl Retention {
    /// How long copies of a method stay.
    #[must_use]
    pub const fn of(&self, method: Method) -> Option<Duration> {
        match method {
            Method::Base => self.base,
            Method::Dump => self.dump,
            Method::Wal => self.wal,
            Method::RedisRdb => self.redis_rdb,
            Method::RedisAof => self.redis_aof,
        }
    }
}

/// A copy that is stored: anything but WAL and base backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCopy {
    /// Names it.
    pub id: String,
    /// Its kind.
    pub method: Method,
    /// The instant to which it leads back, from which its age counts.
    pub at: OffsetDateTime,
    /// What is known of its content.
    pub condition: Condition,
    /// Whether somebody wants it kept.
    pub pinned: bool,
}

/// Why a copy stays although it is old enough to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StaysBecause {
    /// Somebody has pinned it.
    Pinned,
    /// It is the last one that is known to be good.
    LastGood,
    /// It is the last one that may be good: nobody has verified it.
    LastUnverified,
}

impl StaysBecause {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pinned => "it is pinned",
            Self::LastGood => "it is the last one that is known to be good",
            Self::LastUnverified => "it is the last one that may be good",
        }
    }
}

/// A copy that is old enough to go, and goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deletion {
    /// The copy.
    pub id: String,
    /// Its kind.
    pub method: Method,
    /// The instant to which it leads back.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Its age, seconds.
    pub age_s: i64,
    /// How long its kind stays, seconds.
    pub keep_s: i64,
    /// What is known of its content.
    pub condition: Condition,
}

impl Deletion {
    /// Why, in words: "it is 31 days old, and dumps stay for 30 days".
    #[must_use]
    pub fn words(&self) -> String {
        let damaged = if self.condition.usable() {
            ""
        } else {
            "it is damaged, "
        };
        format!(
            "{damaged}it is {} old, and its kind stays for {}",
            span_in_words(self.age_s),
            span_in_words(self.keep_s)
        )
    }
}

/// A copy that is old enough to go, and stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stay {
    /// The copy.
    pub id: String,
    /// Its kind.
    pub method: Method,
    /// Why.
    pub because: StaysBecause,
}

/// Consecutive segments that go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WalDeletion {
    /// The timeline.
    pub timeline: Timeline,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

impl WalDeletion {
    /// How many.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Why WAL stays although it is old enough to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WalStaysBecause {
    /// A base backup that stays needs it.
    Needed {
        /// The oldest that does.
        base: String,
    },
    /// There is no base backup that would tell what is needed.
    NoBase,
    /// Something else deletes it.
    Elsewhere,
}

/// What goes and what stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionPlan {
    /// Copies that go.
    pub delete: Vec<Deletion>,
    /// Copies that stay although they are old.
    pub stay: Vec<Stay>,
    /// Segments that go, by timeline and number.
    pub delete_wal: Vec<WalDeletion>,
    /// How many segments stay although they are old.
    pub wal_stays: u64,
    /// Why.
    pub wal_stays_because: Option<WalStaysBecause>,
    /// Base backups that stay and lose the WAL that could be replayed on them.
    pub lose_replay: Vec<String>,
}

/// All that the plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The base backups.
    pub bases: &'a [Base],
    /// The archive; none if there is none, or it can't be listed: then no WAL goes.
    pub wal: Option<&'a WalArchive>,
    /// All other copies.
    pub copies: &'a [StoredCopy],
}

impl Retention {
    /// What goes and what stays.
    #[must_use]
    pub fn plan(&self, stored: &Stored<'_>, now: OffsetDateTime) -> RetentionPlan {
        let mut plan = RetentionPlan::default();
        for method in [Method::Dump, Method::RedisRdb, Method::RedisAof] {
            let of_kind: Vec<_> = stored
                .copies
                .iter()
                .filter(|copy| copy.method == method)
                .map(Kept::of_copy)
                .collect();
            self.plan_kind(method, &of_kind, now, &mut plan);
        }
        let line = stored.wal.and_then(|wal| Some(wal.line(wal.current()?)));
        let bases: Vec<_> = stored
            .bases
            .iter()
            .map(|base| Kept::of_base(base, line.as_ref()))
            .collect();
        let last = self.plan_kind(Method::Base, &bases, now, &mut plan);
        if let Some((wal, keep)) = stored.wal.zip(self.wal) {
            let gone: HashSet<&str> = plan
                .delete
                .iter()
                .filter(|deletion| deletion.method == Method::Base)
                .map(|deletion| deletion.id.as_str())
                .collect();
            let staying: Vec<&Base> = stored
                .bases
                .iter()
                .filter(|base| !gone.contains(base.id.as_str()))
                .collect();
            self.plan_wal(wal, &staying, &last, now - keep, &mut plan);
        }
        plan
    }

    /// Plans copies of one kind, and gives the ids of the last good ones.
    fn plan_kind(
        &self,
        method: Method,
        copies: &[Kept<'_>],
        now: OffsetDateTime,
        plan: &mut RetentionPlan,
    ) -> Vec<String> {
        // What leads back to a timeline that was left does not make up for what leads to the present.
        let leads_here = copies.iter().any(|copy| copy.current && copy.condition.usable());
        let last = |is: fn(Condition) -> bool| {
            copies
                .iter()
                .filter(|copy| is(copy.condition) && (copy.current || !leads_here))
                .max_by_key(|copy| (copy.at, copy.id))
                .map(|copy| copy.id)
        };
        let good = last(|condition| condition == Condition::Good);
        let usable = last(Condition::usable);
        if let Some(keep) = self.of(method) {
            for copy in copies.iter().filter(|copy| now - copy.at > keep) {
                let because = if copy.pinned {
                    StaysBecause::Pinned
                } else if good == Some(copy.id) {
                    StaysBecause::LastGood
                } else if usable == Some(copy.id) {
                    StaysBecause::LastUnverified
                } else {
                    plan.delete.push(Deletion {
                        id: copy.id.to_owned(),
                        method,
                        at: copy.at,
                        age_s: (now - copy.at).whole_seconds(),
                        keep_s: keep.whole_seconds(),
                        condition: copy.condition,
                    });
                    continue;
                };
                plan.stay.push(Stay {
                    id: copy.id.to_owned(),
                    method,
                    because,
                });
            }
        }
        good.into_iter().chain(usable).map(str::to_owned).collect()
    }

    /// Only what comes before all that is younger than `young_from` goes, so that nothing is cut out of the middle.
    fn plan_wal(
        &self,
        wal: &WalArchive,
        staying: &[&Base],
        last: &[String],
        young_from: OffsetDateTime,
        plan: &mut RetentionPlan,
    ) {
        let size = wal.size();
        let young = wal
            .segments()
            .iter()
            .filter(|segment| segment.stored_at >= young_from);
        let old_before = young.map(|segment| segment.name.number).min().unwrap_or(u64::MAX);
        let needs = |bases: &mut dyn Iterator<Item = &&Base>| {
            bases
                .map(|base| (size.number_of(base.start), base.id.clone()))
                .min()
        };
        let needed = match self.wal_rule {
            WalRule::Needless => needs(&mut staying.iter()),
            WalRule::Old => needs(&mut staying.iter().filter(|base| last.contains(&base.id))),
            WalRule::Elsewhere => None,
        };
        let (cut, because) = match (self.wal_rule, needed) {
            (WalRule::Elsewhere, _) => (0, WalStaysBecause::Elsewhere),
            (WalRule::Needless | WalRule::Old, None) => (0, WalStaysBecause::NoBase),
            (WalRule::Needless | WalRule::Old, Some((number, base))) => {
                (number, WalStaysBecause::Needed { base })
            }
        };
        // Without its own WAL a base backup is nothing but for the segments from its start to its stop.
        let mut inner: Vec<_> = staying
            .iter()
            .filter(|base| !base.own_wal)
            .map(|base| consistent_with(base, size))
            .collect();
        inner.sort_unstable();
        inner.dedup_by(|next, before| {
            let together = next.0 <= before.1 + 1;
            before.1 = if together { before.1.max(next.1) } else { before.1 };
            together
        });
        for segment in wal
            .segments()
            .iter()
            .filter(|segment| segment.name.number < old_before)
        {
            let (timeline, number) = (segment.name.timeline, segment.name.number);
            let after = inner.partition_point(|(first, _)| *first <= number);
            let within = inner[..after].last().is_some_and(|(_, last)| number <= *last);
            if number >= cut || within {
                plan.wal_stays += 1;
                continue;
            }
            match plan.delete_wal.last_mut() {
                Some(range) if range.timeline == timeline && range.last + 1 == number => range.last = number,
                Some(_) | None => plan.delete_wal.push(WalDeletion {
                    timeline,
                    first: number,
                    last: number,
                }),
            }
        }
        plan.wal_stays_because = (plan.wal_stays > 0).then_some(because);
        if plan.delete_wal.is_empty() {
            return;
        }
        let lines: Vec<_> = wal
            .timelines()
            .into_iter()
            .map(|timeline| wal.line(timeline))
            .map(|line| (wal.runs(&line), line))
            .collect();
        let ranges = &plan.delete_wal;
        let loses = |base: &Base| {
            // The segments that make it consistent stay; what is lost is what comes after.
            let after = if base.own_wal {
                size.number_of(base.stop)
            } else {
                consistent_with(base, size).1 + 1
            };
            lines
                .iter()
                .filter(|(_, line)| line.passes(base.timeline, base.stop))
                .any(|(runs, line)| {
                    let run = runs.get(runs.partition_point(|run| run.last.number < after));
                    let replayed = run.filter(|run| run.first.number <= after);
                    replayed.is_some_and(|run| {
                        ranges
                            .iter()
                            .any(|range| goes(range, line, after, run.last.number))
                    })
                })
        };
        plan.lose_replay = staying
            .iter()
            .filter(|base| loses(base))
            .map(|base| base.id.clone())
            .collect();
    }
}

/// Whether any of the segments `first..=last` of a line is among those that go.
fn goes(range: &WalDeletion, line: &Line, first: u64, last: u64) -> bool {
    line.stretch(range.timeline).is_some_and(|stretch| {
        let first = first.max(range.first).max(stretch.first);
        first <= last.min(range.last) && stretch.end.is_none_or(|end| first < end)
    })
}

/// The numbers of the first and the last segment that replay has to have before a base backup is consistent.
fn consistent_with(base: &Base, size: SegmentSize) -> (u64, u64) {
    let last = Lsn::from_bytes(base.stop.bytes().saturating_sub(1));
    (size.number_of(base.start), size.number_of(last))
}

/// A copy of any kind.
struct Kept<'a> {
    id: &'a str,
    at: OffsetDateTime,
    condition: Condition,
    pinned: bool,
    /// Whether it leads to the timeline that is written now.
    current: bool,
}

impl<'a> Kept<'a> {
    fn of_copy(copy: &'a StoredCopy) -> Self {
        Self {
            id: &copy.id,
            at: copy.at,
            condition: copy.condition,
            pinned: copy.pinned,
            current: true,
        }
    }

    fn of_base(base: &'a Base, line: Option<&Line>) -> Self {
        Self {
            id: &base.id,
            at: base.ended_at,
            condition: base.condition,
            pinned: base.pinned,
            current: line.is_none_or(|line| line.passes(base.timeline, base.stop)),
        }
    }
}

fn span_in_words(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        172_800.. => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
