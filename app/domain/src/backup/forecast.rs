//! Holes that will open, before they do.

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
            let grows = followed.blocked(base, replay.missing).is_none();
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

/// When WAL can't be replayed any more on the one at `index`; none if that never comes. `bases` are in the order of their end.
fn loses_at(
    bases: &[Coming],
    index: usize,
    retention: &Retention,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let base = &bases[index];
    let newer = |is: fn(Condition) -> bool| {
        bases[index + 1..]
            .iter()
            .filter(|other| is(other.condition))
            .map(|other| other.from)
            .min()
    };
    let good = |condition| condition == Condition::Good;
    // It is not the last of its kind from then on.
    let not_last = if good(base.condition) {
        newer(good)
    } else {
        newer(Condition::usable)
    };
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
        WalRule::Old => {
            // WAL stays from the last good one on, or from the last one if none is good.
            let any_good = bases
                .iter()
                .any(|other| good(other.condition) && other.from <= now);
            let newer = if any_good {
                newer(good)
            } else {
                newer(Condition::usable)
            };
            old.zip(newer).map(|(old, newer)| old.max(newer))
        }
    };
    goes.into_iter().chain(pruned).min()
}

fn openings(
    bases: &[Coming],
    retention: &Retention,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Vec<Opening> {
    let losses: Vec<_> = (0..bases.len())
        .map(|index| loses_at(bases, index, retention, now))
        .collect();
    let replayable = |index: usize, at: OffsetDateTime| {
        bases[index].needs_since.is_some() && losses[index].is_none_or(|loses| at < loses)
    };
    let mut openings = Vec::new();
    for (index, base) in bases
        .iter()
        .enumerate()
        .filter(|(_, base)| base.needs_since.is_some())
    {
        // What could go already goes as soon as somebody looks.
        let Some(opens_at) = losses[index].map(|at| at.max(now)).filter(|at| *at <= until) else {
            continue;
        };
        let others = (0..bases.len()).filter(|other| *other != index && replayable(*other, opens_at));
        let mut left: Vec<&Coming> = others.map(|other| &bases[other]).collect();
        left.sort_by_key(|other| other.from);
        let leaves_nothing = !left.iter().any(|other| other.from <= opens_at);
        // What another one before it covers is not lost; the next one after it ends what is.
        let covered = left
            .iter()
            .filter(|other| other.from <= base.from)
            .map(|other| other.to);
        let mut from = Some(base.from);
        for to in covered {
            from = match (from, to) {
                (Some(from), Some(to)) => Some(from.max(to)),
                (_, None) | (None, _) => None,
            };
        }
        let next = left.iter().map(|other| other.from).find(|next| *next > base.from);
        let to = match (base.to, next) {
            (Some(to), Some(next)) => Some(to.min(next)),
            (to, next) => to.or(next),
        };
        let window = retention.wal.map(|keep| opens_at - keep);
        let from = from.map(|from| window.map_or(from, |window| from.max(window)));
        if let Some(from) = from.filter(|from| to.is_none_or(|to| *from < to)) {
            openings.push(Opening {
                opens_at,
                from,
                to,
                base: base.id.clone(),
                leaves_nothing,
            });
        }
    }
    openings.sort_by_key(|opening| (opening.opens_at, opening.from));
    openings
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
