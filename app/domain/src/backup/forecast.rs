//! Holes that will open, before they do.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{
    Condition, Evidence, Retention, Schedule, WalRule, evidence::in_words, recoverability::Followed,
};

/// How base backups will be made.
#[derive(Debug, Clone, Copy)]
pub struct BasesToCome<'a> {
    /// When each is begun.
    pub schedule: &'a Schedule,
    /// How long one takes.
    pub takes: Duration,
}

/// Instants that can be reached, or that one would expect to, and then can't be any more.
///
/// Only such are told of as are younger than WAL stays: to any instant that young one expects to be able to return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Opening {
    /// When it opens.
    #[serde(with = "time::serde::rfc3339")]
    pub opens_at: OffsetDateTime,
    /// The first of the instants.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// Until when: reachable again from there on. None if nothing will make it so.
    #[serde(with = "time::serde::rfc3339::option")]
    pub to: Option<OffsetDateTime>,
    /// The base backup that they were reached from; none for one that is still to be made.
    pub base: Option<String>,
    /// Whether that was the last one: then there is no instant that can be reached by replay, until there is another.
    pub leaves_nothing: bool,
}

impl Opening {
    /// In words, as a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let base = self.base.as_ref().map_or_else(
            || "the base backup of then".to_owned(),
            |base| format!("the base backup {base}"),
        );
        let instants = match self.to {
            Some(to) => format!("no instant between {} and {}", in_words(self.from), in_words(to)),
            None => format!("no instant after {}", in_words(self.from)),
        };
        let all = if self.leaves_nothing {
            ": it is the last that WAL can be replayed on"
        } else {
            ""
        };
        format!(
            "From {} on {instants} can be reached, as {base} loses its WAL or goes{all}.",
            in_words(self.opens_at)
        )
    }
}

/// What will become of the map if nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Forecast {
    /// Holes that open although every base backup is made when it is due, and whole.
    pub as_scheduled: Vec<Opening>,
    /// Holes that open if no base backup is made any more.
    pub without_bases: Vec<Opening>,
}

/// A base backup that is there, or will be.
#[derive(Debug, Clone)]
struct Coming {
    id: Option<String>,
    condition: Condition,
    pinned: bool,
    /// Instants from here on are reached from it.
    from: OffsetDateTime,
    /// Until here; none while WAL goes on after it.
    to: Option<OffsetDateTime>,
    /// When the first segment that it needs was stored; none if WAL can't be replayed on it.
    needs_since: Option<OffsetDateTime>,
}

impl Forecast {
    /// For the time until `until`, with WAL archived as it is made.
    #[must_use]
    pub fn of(
        evidence: &Evidence<'_>,
        retention: &Retention,
        to_come: Option<BasesToCome<'_>>,
        until: OffsetDateTime,
    ) -> Self {
        let present = present(evidence);
        let mut scheduled = present.clone();
        if let Some(BasesToCome { schedule, takes }) = to_come {
            scheduled.extend(schedule.times(evidence.now, until).map(|begins| Coming {
                id: None,
                condition: Condition::Good,
                pinned: false,
                from: begins + takes,
                to: None,
                needs_since: Some(begins),
            }));
        }
        Self {
            as_scheduled: openings(&scheduled, retention, evidence.now, until),
            without_bases: openings(&present, retention, evidence.now, until),
        }
    }
}

/// What can be replayed on the timeline that is written now, by the end of each.
fn present(evidence: &Evidence<'_>) -> Vec<Coming> {
    let wal = evidence.wal;
    let Some(timeline) = wal.current() else {
        return Vec::new();
    };
    let followed = Followed::new(evidence, wal.line(timeline));
    // Most base backups are followed by the same WAL.
    let mut goes_on: HashMap<u64, bool> = HashMap::new();
    followed
        .bases
        .iter()
        .filter(|base| base.condition.usable())
        .map(|base| {
            let replay = followed.replay(base);
            let needs = followed.line.segment(replay.first);
            let stored = wal
                .stored(needs.timeline, needs.number, Some(needs.number + 1))
                .first();
            // The segment in which it ends is still being written: its WAL begins now.
            let at_end = followed
                .runs
                .last()
                .is_none_or(|run| run.last.number < replay.first);
            let grows = *goes_on
                .entry(replay.missing)
                .or_insert_with(|| followed.blocked(base, replay.missing).is_none());
            let needs_since = match replay.run {
                Some(_) => stored.map(|segment| segment.stored_at),
                None => (at_end && base.own_wal).then_some(base.ended_at),
            };
            let to = replay
                .run
                .filter(|_| !grows)
                .map(|run| followed.runs[run].newest.at_most.max(base.ended_at));
            Coming {
                id: Some(base.id.clone()),
                condition: base.condition,
                pinned: base.pinned,
                from: base.ended_at,
                to,
                needs_since,
            }
        })
        .collect()
}

/// Bases in the order of their end, with when each loses its replay; none for what never does.
struct Losing<'a> {
    bases: &'a [Coming],
    at: Vec<Option<OffsetDateTime>>,
}

impl<'a> Losing<'a> {
    fn new(bases: &'a [Coming], retention: &Retention, now: OffsetDateTime) -> Self {
        let any_good = bases
            .iter()
            .any(|base| base.condition == Condition::Good && base.from <= now);
        // The first ones that are newer than the one at hand.
        let (mut good, mut usable) = (None, None);
        let mut at: Vec<_> = bases
            .iter()
            .rev()
            .map(|base| {
                let is_good = base.condition == Condition::Good;
                // It is not the last of its kind from then on.
                let not_last = if is_good { good } else { usable };
                let goes = match (retention.base, not_last) {
                    (Some(keep), Some(not_last)) if !base.pinned => Some((base.from + keep).max(not_last)),
                    (_, _) => None,
                };
                let old = retention
                    .wal
                    .zip(base.needs_since)
                    .map(|(keep, since)| since + keep);
                let pruned = match retention.wal_rule {
                    WalRule::Needless => None,
                    WalRule::Elsewhere => old,
                    // WAL stays from the last good one on, or from the last one if none is good.
                    WalRule::Old => {
                        let newer = if any_good { good } else { usable };
                        old.zip(newer)
                            .map(|(old, newer): (_, OffsetDateTime)| old.max(newer))
                    }
                };
                if is_good {
                    good = Some(base.from);
                }
                usable = Some(base.from);
                goes.into_iter().chain(pruned).min()
            })
            .collect();
        at.reverse();
        Self { bases, at }
    }

    /// What can still be replayed at a moment, or will be, by index.
    fn left_at(&self, moment: OffsetDateTime) -> Vec<usize> {
        let losing = self.bases.iter().zip(&self.at).enumerate();
        losing
            .filter(|(_, (base, at))| base.needs_since.is_some() && at.is_none_or(|at| moment < at))
            .map(|(index, _)| index)
            .collect()
    }

    /// What is lost of what the one at `index` led to, while those in `left` are left: from when on, and until when. None if
    /// nothing is.
    fn lost(&self, index: usize, left: &[usize]) -> Option<(OffsetDateTime, Option<OffsetDateTime>)> {
        let base = &self.bases[index];
        let (older, newer) = left.split_at(left.partition_point(|other| *other < index));
        // What an older one covers is not lost; the next newer one ends what is.
        let mut from = base.from;
        for older in older {
            from = from.max(self.bases[*older].to?);
        }
        let next = newer.first().map(|newer| self.bases[*newer].from);
        let to = base.to.into_iter().chain(next).min();
        Some((from, to))
    }
}

fn openings(
    bases: &[Coming],
    retention: &Retention,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Vec<Opening> {
    let losing = Losing::new(bases, retention, now);
    let mut openings = Vec::new();
    // Most lose it one after the other, or all at once.
    let mut moment = None;
    let mut left = Vec::new();
    for (index, base) in bases
        .iter()
        .enumerate()
        .filter(|(_, base)| base.needs_since.is_some())
    {
        // What could go already goes as soon as somebody looks.
        let Some(opens_at) = losing.at[index].map(|at| at.max(now)).filter(|at| *at <= until) else {
            continue;
        };
        if moment != Some(opens_at) {
            moment = Some(opens_at);
            left = losing.left_at(opens_at);
        }
        let Some((from, to)) = losing.lost(index, &left) else {
            continue;
        };
        let from = retention.wal.map_or(from, |keep| from.max(opens_at - keep));
        if to.is_none_or(|to| from < to) {
            openings.push(Opening {
                opens_at,
                from,
                to,
                base: base.id.clone(),
                leaves_nothing: left.first().is_none_or(|first| bases[*first].from > opens_at),
            });
        }
    }
    // Of those that lose at once what one had, the newest speaks for all.
    openings.reverse();
    openings.sort_by_key(|opening| (opening.opens_at, opening.from));
    openings.dedup_by(|next, before| {
        let same = next.opens_at == before.opens_at && before.to.is_none_or(|to| next.from < to);
        if same {
            before.to = before.to.zip(next.to).map(|(before, next)| before.max(next));
        }
        same
    });
    openings
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
