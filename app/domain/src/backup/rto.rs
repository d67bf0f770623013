//! How long a recovery takes, as drills have measured it, and when that will be too long.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::drill::{DrillStep, StepTaken};

/// How much there is to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreSize {
    /// Bytes of the backup, or of what it unpacks to: the same of a drill as of today.
    pub backup_bytes: u64,
    /// Bytes of the WAL that is replayed on it; 0 for a dump.
    pub wal_bytes: u64,
}

/// A drill that came to an end by itself: one that somebody cancelled says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillDone {
    /// When it ended.
    pub ended_at: OffsetDateTime,
    /// Whether what was restored was right.
    pub succeeded: bool,
    /// What was done, and how long it took.
    pub steps: Vec<StepTaken>,
    /// How much was restored.
    pub size: RestoreSize,
}

/// What the time of a step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    WithBackup,
    WithWal,
    Never,
}

impl Grows {
    const fn of(step: &StepTaken) -> Self {
        match (step.bytes, step.step) {
            (None, _) | (Some(_), DrillStep::Room | DrillStep::Check) => Self::Never,
            (Some(_), DrillStep::Fetch | DrillStep::Prepare | DrillStep::Restore) => Self::WithBackup,
            (Some(_), DrillStep::FetchWal | DrillStep::Replay) => Self::WithWal,
        }
    }
}

impl DrillDone {
    /// How long its part of a recovery took, ms.
    #[must_use]
    pub fn measured_ms(&self) -> u64 {
        let steps = self.steps.iter().filter(|step| step.step.belongs_to_recovery());
        steps.map(|step| step.took_ms).sum()
    }

    /// How long each of its steps that belongs to a recovery would take for another size, ms.
    fn scaled(&self, size: RestoreSize) -> Vec<StepEstimate> {
        let grown = |ms: u64, was: u64, is: u64| match was {
            // What nothing was measured for can't be scaled.
            0 => ms,
            was => u64::try_from(u128::from(ms) * u128::from(is) / u128::from(was)).unwrap_or(u64::MAX),
        };
        let steps = self.steps.iter().filter(|step| step.step.belongs_to_recovery());
        steps
            .map(|step| StepEstimate {
                step: step.step,
                ms: match Grows::of(step) {
                    Grows::WithBackup => grown(step.took_ms, self.size.backup_bytes, size.backup_bytes),
                    Grows::WithWal => grown(step.took_ms, self.size.wal_bytes, size.wal_bytes),
                    Grows::Never => step.took_ms,
                },
            })
            .collect()
    }
}

/// How long a step would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepEstimate {
    /// The step.
    pub step: DrillStep,
    /// How long, ms.
    pub ms: u64,
}

/// Why it is not known how long a recovery takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RtoUnknown {
    /// Nothing was ever restored to see how long it takes.
    NeverDrilled,
    /// The last drill failed: it may not be possible at all.
    LastFailed {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// The last drill is too long ago.
    Stale {
        /// When it was.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
}

/// How long a recovery would take today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rto", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Rto {
    /// As the last drills that succeeded have measured it, scaled to the size of today. What people need is in none of the
    /// figures but `human_ms`.
    Measured {
        /// When the newest of them ended.
        #[serde(with = "time::serde::rfc3339")]
        newest_at: OffsetDateTime,
        /// How many.
        drills: usize,
        /// The shortest, ms.
        shortest_ms: u64,
        /// The one in the middle, ms; of two the longer.
        median_ms: u64,
        /// The longest, ms.
        longest_ms: u64,
        /// The steps of the newest.
        steps: Vec<StepEstimate>,
        /// What people need, as declared, ms.
        human_ms: u64,
    },
    /// It is not known.
    Unknown(RtoUnknown),
}

/// How that stands against its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RtoState {
    /// Even the longest is within it.
    Within,
    /// Most are.
    AtRisk,
    /// Most are not.
    Over,
    /// Not known, which is never good.
    Unknown,
}

/// What an estimate is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtoRules {
    /// How many drills that succeeded it goes by, the last ones.
    pub last: usize,
    /// After so long a drill says nothing any more.
    pub stale_after: Duration,
    /// What people need, as declared.
    pub human: Duration,
}

impl Rto {
    /// Out of drills of one way of recovery, in any order.
    #[must_use]
    pub fn of(drills: &[DrillDone], today: RestoreSize, rules: &RtoRules, now: OffsetDateTime) -> Self {
        let mut drills: Vec<_> = drills.iter().collect();
        drills.sort_by_key(|drill| std::cmp::Reverse(drill.ended_at));
        let Some(last) = drills.first() else {
            return Self::Unknown(RtoUnknown::NeverDrilled);
        };
        if !last.succeeded {
            return Self::Unknown(RtoUnknown::LastFailed { at: last.ended_at });
        }
        if now - last.ended_at > rules.stale_after {
            return Self::Unknown(RtoUnknown::Stale { at: last.ended_at });
        }
        let succeeded = drills
            .iter()
            .filter(|drill| drill.succeeded)
            .take(rules.last.max(1));
        let mut all: Vec<u64> = succeeded.map(|drill| total(&drill.scaled(today))).collect();
        all.sort_unstable();
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        Self::Measured {
            newest_at: last.ended_at,
            drills: all.len(),
            shortest_ms: at(0),
            median_ms: at(all.len() / 2),
            longest_ms: at(all.len().saturating_sub(1)),
            steps: last.scaled(today),
            human_ms: u64::try_from(rules.human.whole_milliseconds()).unwrap_or_default(),
        }
    }

    /// What it would take, people included, ms; none if it is not known.
    #[must_use]
    pub const fn expected_ms(&self) -> Option<u64> {
        match self {
            Self::Measured {
                median_ms, human_ms, ..
            } => Some(median_ms.saturating_add(*human_ms)),
            Self::Unknown(_) => None,
        }
    }

    /// How it stands against a target.
    #[must_use]
    pub const fn state(&self, target_ms: u64) -> RtoState {
        match self {
            Self::Measured {
                median_ms,
                longest_ms,
                human_ms,
                ..
            } => {
                if longest_ms.saturating_add(*human_ms) <= target_ms {
                    RtoState::Within
                } else if median_ms.saturating_add(*human_ms) <= target_ms {
                    RtoState::AtRisk
                } else {
                    RtoState::Over
                }
            }
            Self::Unknown(_) => RtoState::Unknown,
        }
    }
}

fn total(steps: &[StepEstimate]) -> u64 {
    steps.iter().fold(0, |sum: u64, step| sum.saturating_add(step.ms))
}

/// How the measured time grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RtoTrend {
    /// By how much each day, ms: the line through the drills from which their squared distances are least.
    pub ms_a_day: f64,
    /// What the line says for the present, ms, people included.
    pub now_ms: f64,
    /// When it crosses the target. None if it does not within ten years, if it is over it already, or if the drills scatter so
    /// much that growth can't be told from chance.
    #[serde(with = "time::serde::rfc3339::option")]
    pub crosses_at: Option<OffsetDateTime>,
}

/// Drills that a line is put through.
const FEWEST: usize = 3;
/// A slope of less than so many of its standard errors may be chance.
const STANDARD_ERRORS: f64 = 2.0;
const FURTHEST_DAYS: f64 = 3653.0;

impl RtoTrend {
    /// Out of the drills that succeeded, as they were measured. None for fewer than three, or if all were at one time.
    #[must_use]
    pub fn of(drills: &[DrillDone], human: Duration, target_ms: u64, now: OffsetDateTime) -> Option<Self> {
        // In days from now and ms: small numbers, which keep their places.
        let points: Vec<(f64, f64)> = drills
            .iter()
            .filter(|drill| drill.succeeded)
            .map(|drill| {
                (
                    (drill.ended_at - now).as_seconds_f64() / 86_400.0,
                    float(drill.measured_ms()),
                )
            })
            .collect();
        if points.len() < FEWEST {
            return None;
        }
        let count = float(u64::try_from(points.len()).ok()?);
        let mean_day = points.iter().map(|(day, _)| day).sum::<f64>() / count;
        let mean_ms = points.iter().map(|(_, ms)| ms).sum::<f64>() / count;
        let spread: f64 = points.iter().map(|(day, _)| (day - mean_day).powi(2)).sum();
        if spread < 1e-6 {
            return None;
        }
        let together: f64 = points
            .iter()
            .map(|(day, ms)| (day - mean_day) * (ms - mean_ms))
            .sum();
        let ms_a_day = together / spread;
        let at = |day: f64| mean_ms + ms_a_day * (day - mean_day);
        let residual: f64 = points.iter().map(|(day, ms)| (ms - at(*day)).powi(2)).sum();
        let standard_error = (residual / (count - 2.0) / spread).sqrt();
        let now_ms = at(0.0) + human.as_seconds_f64() * 1000.0;
        let left = float(target_ms) - now_ms;
        let grows = ms_a_day > 0.0 && ms_a_day > STANDARD_ERRORS * standard_error;
        let days = (grows && left > 0.0)
            .then(|| left / ms_a_day)
            .filter(|days| *days <= FURTHEST_DAYS);
        Some(Self {
            ms_a_day,
            now_ms,
            crosses_at: days.map(|days| now + Duration::seconds_f64(days * 86_400.0)),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a recovery are far below 2^53"
)]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);
    const SIZE: RestoreSize = RestoreSize {
        backup_bytes: 1_000,
        wal_bytes: 200,
    };
    const RULES: RtoRules = RtoRules {
        last: 3,
        stale_after: Duration::days(8),
        human: Duration::seconds(60),
    };

    fn step(step: DrillStep, took_ms: u64, bytes: Option<u64>) -> StepTaken {
        StepTaken {
            step,
            began_at: NOW,
            took_ms,
            bytes,
            note: String::new(),
        }
    }

    /// A drill that took `ms` for a backup of 1,000 bytes, `days` ago.
    fn drill(days: i64, ms: u64) -> DrillDone {
        DrillDone {
            ended_at: NOW - Duration::days(days),
            succeeded: true,
            steps: vec![step(DrillStep::Fetch, ms, Some(1))],
            size: SIZE,
        }
    }

    #[test]
    fn each_step_grows_with_what_it_depends_on() {
        let of = |steps| DrillDone { steps, ..drill(1, 0) };
        let drill = of(vec![
            step(DrillStep::Room, 7_000, None),
            step(DrillStep::Fetch, 100, Some(1_000)),
            step(DrillStep::Prepare, 10, None),
            step(DrillStep::FetchWal, 40, Some(200)),
            step(DrillStep::Replay, 60, Some(200)),
            step(DrillStep::Check, 9_000, Some(1_000)),
        ]);
        assert_eq!(drill.measured_ms(), 210);
        let today = RestoreSize {
            backup_bytes: 3_000,
            wal_bytes: 100,
        };
        let Rto::Measured {
            steps,
            median_ms,
            human_ms,
            ..
        } = Rto::of(std::slice::from_ref(&drill), today, &RULES, NOW)
        else {
            panic!("it is known");
        };
        let steps: Vec<_> = steps.iter().map(|step| (step.step, step.ms)).collect();
        assert_eq!(
            steps,
            [
                (DrillStep::Fetch, 300),
                (DrillStep::Prepare, 10),
                (DrillStep::FetchWal, 20),
                (DrillStep::Replay, 30)
            ]
        );
        assert_eq!((median_ms, human_ms), (360, 60_000));
        // Without WAL in the drill its time can't be scaled.
        let empty = DrillDone {
            size: RestoreSize { wal_bytes: 0, ..SIZE },
            ..drill
        };
        assert_eq!(
            Rto::of(&[empty], today, &RULES, NOW).expected_ms(),
            Some(60_000 + 300 + 10 + 40 + 60)
        );
    }

    #[test]
    fn it_goes_by_the_last_ones_that_succeeded() {
        let failed = DrillDone {
            succeeded: false,
            ..drill(4, 1)
        };
        let drills = [
            drill(9, 50_000),
            drill(3, 200),
            drill(1, 300),
            failed,
            drill(5, 100),
        ];
        let Rto::Measured {
            newest_at,
            drills,
            shortest_ms,
            median_ms,
            longest_ms,
            ..
        } = Rto::of(&drills, SIZE, &RULES, NOW)
        else {
            panic!("it is known");
        };
        assert_eq!(newest_at, NOW - Duration::DAY);
        assert_eq!((drills, shortest_ms, median_ms, longest_ms), (3, 100, 200, 300));
    }

    #[test]
    fn a_drill_that_failed_or_is_long_ago_leaves_it_unknown() {
        let unknown = |drills: &[DrillDone]| match Rto::of(drills, SIZE, &RULES, NOW) {
            Rto::Unknown(why) => why,
            Rto::Measured { .. } => panic!("it is not known"),
        };
        assert_eq!(unknown(&[]), RtoUnknown::NeverDrilled);
        let failed = DrillDone {
            succeeded: false,
            ..drill(1, 1)
        };
        assert_eq!(
            unknown(&[drill(2, 1), failed.clone()]),
            RtoUnknown::LastFailed { at: failed.ended_at }
        );
        assert_eq!(
            unknown(&[drill(9, 1)]),
            RtoUnknown::Stale {
                at: NOW - Duration::days(9)
            }
        );
        let never = Rto::of(&[], SIZE, &RULES, NOW);
        assert_eq!(
            (never.state(u64::MAX), never.expected_ms()),
            (RtoState::Unknown, None)
        );
    }

    #[test]
    fn it_stands_against_the_target_with_its_spread_and_its_people() {
        let rto = Rto::of(&[drill(1, 100), drill(2, 200), drill(3, 300)], SIZE, &RULES, NOW);
        assert_eq!(rto.state(60_300), RtoState::Within);
        assert_eq!(rto.state(60_299), RtoState::AtRisk);
        assert_eq!(rto.state(60_200), RtoState::AtRisk);
        assert_eq!(rto.state(60_199), RtoState::Over);
    }

    #[test]
    fn a_time_that_grows_crosses_the_target_some_day() {
        let human = Duration::seconds(60);
        let growing: Vec<_> = (0..60)
            .map(|days| drill(days, 100_000 - 1_000 * u64::try_from(days).unwrap()))
            .collect();
        let trend = RtoTrend::of(&growing, human, 170_000, NOW).unwrap();
        assert!(
            (trend.ms_a_day - 1_000.0).abs() < 1e-6 && (trend.now_ms - 160_000.0).abs() < 1e-3,
            "{trend:?}"
        );
        let crosses = trend.crosses_at.unwrap();
        assert!(
            (crosses - NOW - Duration::days(10)).abs() < Duration::SECOND,
            "{crosses}"
        );
        // Over it already, and far away.
        assert_eq!(
            RtoTrend::of(&growing, human, 150_000, NOW).unwrap().crosses_at,
            None
        );
        assert_eq!(
            RtoTrend::of(&growing, human, 10_000_000_000, NOW)
                .unwrap()
                .crosses_at,
            None
        );
    }

    #[test]
    fn what_may_be_chance_is_no_growth() {
        let scattered: Vec<_> = (0..20)
            .map(|days| drill(days, if days % 2 == 0 { 100_000 } else { 50_000 }))
            .collect();
        let trend = RtoTrend::of(&scattered, Duration::ZERO, 120_000, NOW).unwrap();
        assert_eq!(trend.crosses_at, None);
        assert_eq!(RtoTrend::of(&scattered[..2], Duration::ZERO, 120_000, NOW), None);
        let at_once = [drill(1, 1), drill(1, 2), drill(1, 3)];
        assert_eq!(RtoTrend::of(&at_once, Duration::ZERO, 120_000, NOW), None);
    }

    proptest! {
        #[test]
        fn the_line_through_a_line_is_that_line(
            slope in -1_000..1_000_i64, days in prop::collection::btree_set(0..700_i64, 3..40),
        ) {
            let ms = |day: i64| u64::try_from(1_000_000 - slope * day).unwrap();
            let drills: Vec<_> = days.iter().map(|day| drill(*day, ms(*day))).collect();
            let trend = RtoTrend::of(&drills, Duration::ZERO, 2_000_000, NOW).unwrap();
            let slope = f64::from(i32::try_from(slope).unwrap());
            prop_assert!((trend.ms_a_day - slope).abs() < 1e-3, "{:?}", trend);
            prop_assert!((trend.now_ms - 1_000_000.0).abs() < 1.0, "{:?}", trend);
        }

        #[test]
        fn a_size_that_is_the_same_changes_nothing(ms in prop::collection::vec(0..10_000_000_u64, 1..9)) {
            let drills: Vec<_> = ms.iter().zip(0..).map(|(ms, days)| drill(days, *ms)).collect();
            let Rto::Measured { shortest_ms, median_ms, longest_ms, drills, .. } = Rto::of(&drills, SIZE, &RULES, NOW) else {
                panic!("it is known");
            };
            let last = &ms[..drills];
            prop_assert_eq!(Some(&shortest_ms), last.iter().min());
            prop_assert_eq!(Some(&longest_ms), last.iter().max());
            prop_assert!(last.contains(&median_ms) && shortest_ms <= median_ms && median_ms <= longest_ms);
        }
    }
}
