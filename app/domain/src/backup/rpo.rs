//! How much would be lost now: the age of what is safe, and which part of it is only that nothing was written.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Line, Timeline};
use crate::cluster::Lsn;

/// Where the primary was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sample {
    /// When it was asked, by the console's clock: before it answered.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The timeline that it writes.
    pub timeline: Timeline,
    /// `pg_current_wal_insert_lsn()`, of the statement whose snapshot `ended` is of: everything that had ended lies before it.
    pub insert_lsn: Lsn,
    /// Goes up with each transaction that wrote and ended: of a snapshot, `xmax` less the number of `xip`. (`xmax` alone stands
    /// still when one ends that is older than another that ended before.)
    pub ended: i64,
}

/// What is certain to be there when all else is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Safe<'a> {
    /// The line that leads to the timeline that is written now, and how far along it WAL can be brought back.
    pub archived: Option<(&'a Line, Lsn)>,
    /// The newest instant of which there is a dump. (What a base backup has ends at its position, a little before the time at
    /// which that was known.)
    pub snapshot_at: Option<OffsetDateTime>,
    /// The newest commit that is known to be in the archive. It is by the server's clock, and only counts where no sample tells
    /// more.
    pub newest_commit_at: Option<OffsetDateTime>,
}

/// What would be lost if everything but what is safe were gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "exposure", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Exposure {
    /// Nothing: all that was written is safe. The primary was heard of just now.
    Nothing,
    /// What was committed since an instant.
    Since {
        /// Everything that was committed until then is safe.
        #[serde(with = "time::serde::rfc3339")]
        safe_until: OffsetDateTime,
        /// How long ago that is, ms.
        exposed_ms: i64,
        /// Whether something is known to have been written since. Else the primary is merely silent, and may have gone on.
        written: bool,
    },
    /// It is not known since when: nothing says what is safe, or nothing so old is remembered.
    Unknown {
        /// For so long at least, ms; none if nothing at all is known.
        at_least_ms: Option<i64>,
    },
}

impl Exposure {
    /// In milliseconds; none while it is not known.
    #[must_use]
    pub const fn ms(&self) -> Option<i64> {
        match self {
            Self::Nothing => Some(0),
            Self::Since { exposed_ms, .. } => Some(*exposed_ms),
            Self::Unknown { .. } => None,
        }
    }

    /// Out of the samples, in the order of their time. Without a word of the primary for `silent_after` it counts as going on.
    ///
    /// What is newer than `now` was taken before the clock was set back, and tells nothing. What was written on a timeline after
    /// it had been left was lost then; it is not lost again now.
    #[must_use]
    pub fn now(samples: &[Sample], safe: &Safe<'_>, now: OffsetDateTime, silent_after: Duration) -> Self {
        let samples: Vec<&Sample> = samples
            .iter()
            .filter(|sample| sample.at <= now)
            .filter(|sample| {
                safe.archived
                    .is_none_or(|(line, _)| line.passes(sample.timeline, sample.insert_lsn))
            })
            .collect();
        let is_safe = |sample: &&Sample| {
            safe.archived.is_some_and(|(_, end)| sample.insert_lsn <= end)
                || safe.snapshot_at.is_some_and(|at| sample.at <= at)
        };
        let since = |safe_until: OffsetDateTime, written| Self::Since {
            safe_until,
            exposed_ms: milliseconds(now - safe_until),
            written,
        };
        let Some(anchor) = samples.iter().rposition(is_safe) else {
            let known = safe
                .snapshot_at
                .max(safe.newest_commit_at)
                .filter(|at| *at <= now);
            return known.map_or_else(
                || Self::Unknown {
                    at_least_ms: samples.first().map(|first| milliseconds(now - first.at)),
                },
                |known| since(known, !samples.is_empty()),
            );
        };
        let ended = samples[anchor].ended;
        let idle = samples[anchor..]
            .iter()
            .take_while(|sample| sample.ended == ended)
            .count();
        let last_idle = samples[anchor + idle - 1];
        let safe_until = last_idle
            .at
            .max(safe.snapshot_at.filter(|at| *at <= now).unwrap_or(last_idle.at));
        if anchor + idle < samples.len() {
            since(safe_until, true)
        } else if now - last_idle.at > silent_after {
            since(safe_until, false)
        } else {
            Self::Nothing
        }
    }
}

/// What a standby says of its WAL receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandbyReceived<'a> {
    /// The line of the timeline it receives, and how far it has received: what it replays from if it is promoted.
    pub received: (&'a Line, Lsn),
    /// Age of the last message of the primary, ms; none while nothing is received. The age of the last transaction that was
    /// replayed says nothing: it also grows while nothing is written, and is small while much is on its way.
    pub last_message_age_ms: Option<i64>,
}

impl StandbyReceived<'_> {
    /// What would be lost if the standby were promoted now, with the primary gone.
    #[must_use]
    pub fn exposure(&self, samples: &[Sample], now: OffsetDateTime, silent_after: Duration) -> Exposure {
        let (line, end) = self.received;
        let safe = Safe {
            archived: Some((line, end)),
            snapshot_at: None,
            newest_commit_at: None,
        };
        let exposure = Exposure::now(samples, &safe, now, silent_after);
        let newest = samples.iter().rfind(|sample| sample.at <= now);
        let Some(age) = self.last_message_age_ms.filter(|age| *age >= 0) else {
            return exposure;
        };
        match exposure {
            // It had all when the primary was last asked, and was told something since.
            Exposure::Since {
                exposed_ms, written, ..
            } if age < exposed_ms && newest.is_some_and(|newest| newest.insert_lsn <= end) => {
                Exposure::Since {
                    safe_until: now - Duration::milliseconds(age),
                    exposed_ms: age,
                    written,
                }
            }
            Exposure::Unknown { at_least_ms: None } => Exposure::Since {
                safe_until: now - Duration::milliseconds(age),
                exposed_ms: age,
                written: false,
            },
            other @ (Exposure::Nothing | Exposure::Since { .. } | Exposure::Unknown { .. }) => other,
        }
    }
}

/// The exposure as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RpoPoint {
    /// The moment.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The exposure, ms; none if it was not known.
    pub exposed_ms: Option<i64>,
}

/// The largest exposure of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorstRpo {
    /// The point where it was largest; none if it was never known.
    pub worst: Option<RpoPoint>,
    /// For how long it was not known, ms: it may have been worse then.
    pub unknown_ms: i64,
}

/// The worst of the points since an instant, which are in the order of their time. What lies further apart than `apart` is
/// not known between.
#[must_use]
pub fn worst(points: &[RpoPoint], since: OffsetDateTime, now: OffsetDateTime, apart: Duration) -> WorstRpo {
    let points = &points[points.partition_point(|point| point.at < since)..];
    let mut unknown_ms = 0;
    let mut known_until = since;
    for (index, point) in points.iter().enumerate() {
        let next = points.get(index + 1).map_or(now, |next| next.at);
        if point.at > known_until {
            unknown_ms += milliseconds(point.at - known_until);
        }
        known_until = match point.exposed_ms {
            Some(_) => next.min(point.at + apart),
            None => point.at,
        };
    }
    unknown_ms += milliseconds(now - known_until);
    let worst = points
        .iter()
        .filter(|point| point.exposed_ms.is_some())
        .max_by_key(|point| point.exposed_ms)
        .copied();
    WorstRpo { worst, unknown_ms }
}

/// How the exposure stands against its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rpo", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RpoState {
    /// Within it.
    Within,
    /// Over it.
    Over {
        /// Since when, without having been known to be within it.
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    /// Not known, which is never good.
    Unknown {
        /// Since when; none if it never was.
        #[serde(with = "time::serde::rfc3339::option")]
        since: Option<OffsetDateTime>,
    },
}

impl RpoState {
    /// Out of the points, in the order of their time; the last one is the present.
    #[must_use]
    pub fn of(points: &[RpoPoint], target_ms: i64) -> Self {
        let is_within = |point: &RpoPoint| point.exposed_ms.is_some_and(|ms| ms <= target_ms);
        let Some(last) = points.last() else {
            return Self::Unknown { since: None };
        };
        if is_within(last) {
            return Self::Within;
        }
        let after = |is: &dyn Fn(&RpoPoint) -> bool| {
            points.iter().rposition(|point| !is(point)).map_or(0, |at| at + 1)
        };
        if last.exposed_ms.is_none() {
            return Self::Unknown {
                since: points
                    .get(after(&|point| point.exposed_ms.is_none()))
                    .map(|point| point.at),
            };
        }
        // A time in which it was not known does not make it shorter, but it does not begin with one.
        let first = points[after(&|point| !is_within(point))..]
            .iter()
            .find(|point| point.exposed_ms.is_some());
        Self::Over {
            since: first.unwrap_or(last).at,
        }
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.whole_milliseconds())
        .unwrap_or(i64::MAX)
        .max(0)
}

#[cfg(test)]
#[path = "rpo_tests.rs"]
mod tests;
