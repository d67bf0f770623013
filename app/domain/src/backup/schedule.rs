//! When backups are made, and what became of each time at which one was to be made.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Condition;

/// When backups of a method are made: a cron pattern of five fields, in UTC.
#[derive(Debug, Clone)]
pub struct Schedule {
    pattern: Cron,
    grace: Duration,
}

/// A pattern that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cron pattern {pattern:?} can't be read: {reason}")]
pub struct MalformedSchedule {
    /// The pattern.
    pub pattern: String,
    /// What is wrong.
    pub reason: String,
}

impl Schedule {
    /// From a pattern, and how many seconds later than that a run may begin.
    ///
    /// # Errors
    /// When the pattern can't be read.
    pub fn new(pattern: &str, grace_s: u32) -> Result<Self, MalformedSchedule> {
        let cron = Cron::from_str(pattern).map_err(|error| MalformedSchedule {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            pattern: cron,
            grace: Duration::seconds(grace_s.into()),
        })
    }

    /// The next time after `at`. None if the pattern fits no date any more.
    #[must_use]
    pub fn next_after(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        // The whole second before it: a time that lies on a second is after that, and not after itself.
        let whole = DateTime::<Utc>::from_timestamp(at.unix_timestamp(), 0)?;
        let next = self.pattern.find_next_occurrence(&whole, false).ok()?;
        OffsetDateTime::from_unix_timestamp(next.timestamp()).ok()
    }

    /// The last time that isn't after `at`. None if there was none.
    #[must_use]
    pub fn last_until(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let whole = DateTime::<Utc>::from_timestamp(at.unix_timestamp(), 0)?;
        let last = self.pattern.find_previous_occurrence(&whole, true).ok()?;
        OffsetDateTime::from_unix_timestamp(last.timestamp()).ok()
    }

    /// The time that is to have its run now, unless it had it already: the last one, within its grace. A time that passed while no
    /// console ran is missed and not made up for.
    #[must_use]
    pub fn due(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.last_until(now).filter(|last| now - *last <= self.grace)
    }

    /// The times in `from..to`, the oldest first.
    pub fn times(&self, from: OffsetDateTime, to: OffsetDateTime) -> impl Iterator<Item = OffsetDateTime> {
        let before = from - Duration::NANOSECOND;
        std::iter::successors(self.next_after(before), |at| self.next_after(*at))
            .take_while(move |at| *at < to)
    }
}

/// How a run is going or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RunState {
    /// It is under way.
    Running,
    /// It made a copy, of which this is known.
    Succeeded(Condition),
    /// It made none: it failed, was cancelled, or its console died.
    Failed,
}

/// A run that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DoneRun {
    /// Names it.
    pub id: Uuid,
    /// For which time of the schedule it was begun. None of one that somebody asked for, or a job elsewhere has done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub scheduled_for: Option<OffsetDateTime>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub began_at: OffsetDateTime,
    /// How it is going or has ended.
    pub state: RunState,
}

/// What became of a time of the schedule. In the order of what has to be looked at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ExpectedState {
    /// Runs began, and none made a copy that can be restored.
    Failed,
    /// No run began, and it is too late.
    Missed,
    /// A run made a copy that nobody has verified.
    Unverified,
    /// A run began later than it may, and made a good copy.
    Late,
    /// A run is under way.
    Running,
    /// A run made a good copy.
    Ran,
    /// It is still to come, or is due and not too late.
    Upcoming,
}

/// A time of the schedule, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExpectedRun {
    /// The time.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What became of it.
    pub state: ExpectedState,
    /// The run that this is of.
    pub run: Option<Uuid>,
}

impl Schedule {
    /// Holds the times in `from..to` against the runs that were done, in any order.
    ///
    /// A run counts for the time that it was begun for; one that was begun for none, for the last time before it began. Of
    /// several the best counts: what failed and was done again has been done.
    #[must_use]
    pub fn judge(
        &self,
        runs: &[DoneRun],
        from: OffsetDateTime,
        to: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Vec<ExpectedRun> {
        let times: Vec<_> = self.times(from, to).collect();
        let end = times.last().and_then(|last| self.next_after(*last));
        let mut expected: Vec<_> = times
            .iter()
            .map(|at| {
                let state = if now < *at + self.grace {
                    ExpectedState::Upcoming
                } else {
                    ExpectedState::Missed
                };
                ExpectedRun {
                    at: *at,
                    state,
                    run: None,
                }
            })
            .collect();
        for run in runs {
            let slot = match run.scheduled_for {
                Some(at) => times.binary_search(&at).ok(),
                None if end.is_some_and(|end| run.began_at >= end) => None,
                None => times.partition_point(|at| *at <= run.began_at).checked_sub(1),
            };
            let Some(slot) = slot.map(|slot| &mut expected[slot]) else {
                continue;
            };
            let state = match run.state {
                RunState::Running => ExpectedState::Running,
                RunState::Failed | RunState::Succeeded(Condition::Damaged) => ExpectedState::Failed,
                RunState::Succeeded(Condition::Unverified) => ExpectedState::Unverified,
                RunState::Succeeded(Condition::Good) if run.began_at > slot.at + self.grace => {
                    ExpectedState::Late
                }
                RunState::Succeeded(Condition::Good) => ExpectedState::Ran,
            };
            if slot.run.is_none() || better(state) > better(slot.state) {
                *slot = ExpectedRun {
                    state,
                    run: Some(run.id),
                    ..*slot
                };
            }
        }
        expected
    }
}

/// How much a run is worth for its time.
const fn better(state: ExpectedState) -> u8 {
    match state {
        ExpectedState::Upcoming | ExpectedState::Missed => 0,
        ExpectedState::Failed => 1,
        ExpectedState::Running => 2,
        ExpectedState::Unverified => 3,
        ExpectedState::Late => 4,
        ExpectedState::Ran => 5,
    }
}

/// What goes on all the time: the archive of WAL, an append-only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "continuous", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Continuous {
    /// The newest is young enough.
    Fresh,
    /// It is too old.
    Stale {
        /// By how much, seconds.
        over_s: i64,
    },
    /// There is none.
    Never,
}

impl Continuous {
    /// By the age of the newest. Its time may be a little after `now`: it was taken by another clock.
    #[must_use]
    pub fn by_age(newest_at: Option<OffsetDateTime>, now: OffsetDateTime, limit: Duration) -> Self {
        match newest_at.map(|at| now - at) {
            None => Self::Never,
            Some(age) if age <= limit => Self::Fresh,
            Some(age) => Self::Stale {
                over_s: (age - limit).whole_seconds(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NIGHT: OffsetDateTime = datetime!(2026-11-28 02:00 UTC);

    fn nightly() -> Schedule {
        Schedule::new("0 2 * * *", 900).unwrap()
    }

    fn run(
        id: u128,
        scheduled_for: Option<OffsetDateTime>,
        began_at: OffsetDateTime,
        state: RunState,
    ) -> DoneRun {
        DoneRun {
            id: Uuid::from_u128(id),
            scheduled_for,
            began_at,
            state,
        }
    }

    /// What became of the time [`NIGHT`].
    fn judged(runs: &[DoneRun], now: OffsetDateTime) -> (ExpectedState, Option<u128>) {
        let expected = nightly().judge(runs, NIGHT - Duration::DAY, NIGHT + Duration::days(2), now);
        assert_eq!(expected.len(), 3);
        (expected[1].state, expected[1].run.map(|run| run.as_u128()))
    }

    #[test]
    fn a_time_is_due_within_its_grace() {
        let nightly = Schedule::new("0 2 * * *", 900).unwrap();
        let time = datetime!(2026-11-29 2:00 UTC);
        for (now, expected) in [
            (datetime!(2026-11-29 2:00:00.3 UTC), Some(time)),
            (datetime!(2026-11-29 2:15 UTC), Some(time)),
            (datetime!(2026-11-29 2:15:01 UTC), None),
            (datetime!(2026-11-30 1:59:59.9 UTC), None),
        ] {
            assert_eq!(nightly.due(now), expected, "{now}");
        }
        let weekly = Schedule::new("0 4 * * SUN", 900).unwrap();
        let last = weekly.last_until(datetime!(2026-11-28 23:00 UTC));
        assert_eq!(last, Some(datetime!(2026-11-22 4:00 UTC)));
    }

    #[test]
    fn the_handbooks_schedule_is_in_utc() {
        let dumps = nightly();
        assert_eq!(dumps.next_after(NIGHT), Some(NIGHT + Duration::DAY));
        assert_eq!(dumps.next_after(NIGHT - Duration::MILLISECOND), Some(NIGHT));
        assert_eq!(dumps.next_after(datetime!(2026-11-28 02:59 +1)), Some(NIGHT));
        let weekly = Schedule::new("0 4 * * SUN", 0).unwrap();
        let times: Vec<_> = weekly
            .times(datetime!(2026-11-01 04:00 UTC), datetime!(2026-11-22 04:00 UTC))
            .collect();
        assert_eq!(
            times,
            [
                datetime!(2026-11-01 04:00 UTC),
                datetime!(2026-11-08 04:00 UTC),
                datetime!(2026-11-15 04:00 UTC)
            ]
        );
        assert_eq!(Schedule::new("0 0 30 2 *", 0).unwrap().next_after(NIGHT), None);
        assert!(Schedule::new("every night", 0).is_err());
    }

    #[test]
    fn each_time_is_judged_by_its_run() {
        let late = NIGHT + Duration::seconds(901);
        let good = RunState::Succeeded(Condition::Good);
        let own = |began_at, state| judged(&[run(1, Some(NIGHT), began_at, state)], late);
        assert_eq!(own(NIGHT, good), (ExpectedState::Ran, Some(1)));
        assert_eq!(
            own(NIGHT + Duration::seconds(900), good),
            (ExpectedState::Ran, Some(1))
        );
        assert_eq!(own(late, good), (ExpectedState::Late, Some(1)));
        assert_eq!(
            own(late, RunState::Succeeded(Condition::Unverified)),
            (ExpectedState::Unverified, Some(1))
        );
        assert_eq!(
            own(NIGHT, RunState::Succeeded(Condition::Damaged)),
            (ExpectedState::Failed, Some(1))
        );
        assert_eq!(own(NIGHT, RunState::Failed), (ExpectedState::Failed, Some(1)));
        assert_eq!(own(NIGHT, RunState::Running), (ExpectedState::Running, Some(1)));
    }

    #[test]
    fn without_a_run_it_is_missed_once_it_is_too_late() {
        assert_eq!(
            judged(&[], NIGHT - Duration::HOUR),
            (ExpectedState::Upcoming, None)
        );
        assert_eq!(
            judged(&[], NIGHT + Duration::seconds(899)),
            (ExpectedState::Upcoming, None)
        );
        assert_eq!(
            judged(&[], NIGHT + Duration::seconds(900)),
            (ExpectedState::Missed, None)
        );
    }

    #[test]
    fn a_run_that_was_begun_for_no_time_counts_for_the_one_before_it() {
        let now = NIGHT + Duration::days(3);
        let good = RunState::Succeeded(Condition::Good);
        assert_eq!(
            judged(&[run(1, None, NIGHT + Duration::MINUTE, good)], now),
            (ExpectedState::Ran, Some(1))
        );
        assert_eq!(
            judged(&[run(1, None, NIGHT + Duration::hours(9), good)], now),
            (ExpectedState::Late, Some(1))
        );
        assert_eq!(
            judged(&[run(1, None, NIGHT - Duration::MINUTE, good)], now),
            (ExpectedState::Missed, None)
        );
        // Far after the last time that is asked for it is for another.
        let expected = nightly().judge(&[run(1, None, now, good)], NIGHT, NIGHT + Duration::HOUR, now);
        assert_eq!(expected[0].state, ExpectedState::Missed);
    }

    #[test]
    fn what_failed_and_was_done_again_has_been_done() {
        let now = NIGHT + Duration::hours(3);
        let failed = run(1, Some(NIGHT), NIGHT, RunState::Failed);
        let again = run(
            2,
            None,
            NIGHT + Duration::HOUR,
            RunState::Succeeded(Condition::Good),
        );
        assert_eq!(judged(&[failed, again], now), (ExpectedState::Late, Some(2)));
        assert_eq!(judged(&[again, failed], now), (ExpectedState::Late, Some(2)));
        let running = DoneRun {
            state: RunState::Running,
            ..again
        };
        assert_eq!(judged(&[failed, running], now), (ExpectedState::Running, Some(2)));
    }

    #[test]
    fn what_goes_on_all_the_time_is_judged_by_its_age() {
        let of = |age| Continuous::by_age(Some(NIGHT - Duration::seconds(age)), NIGHT, Duration::minutes(10));
        assert_eq!((of(600), of(-5)), (Continuous::Fresh, Continuous::Fresh));
        assert_eq!(of(601), Continuous::Stale { over_s: 1 });
        assert_eq!(Continuous::by_age(None, NIGHT, Duration::HOUR), Continuous::Never);
    }

    proptest! {
        #[test]
        fn times_are_those_that_come_one_after_the_other(minutes in 1..60_u32, begin in 0..10_000_i64, long in 0..20_000_i64) {
            let schedule = Schedule::new(&format!("*/{minutes} * * * *"), 0).unwrap();
            let (from, to) = (NIGHT + Duration::seconds(begin), NIGHT + Duration::seconds(begin + long));
            let times: Vec<_> = schedule.times(from, to).collect();
            let expected: Vec<_> = (0..long)
                .map(|second| from + Duration::seconds(second))
                .filter(|at| at.second() == 0 && u32::from(at.minute()) % minutes == 0)
                .collect();
            prop_assert_eq!(times, expected);
        }
    }
}
