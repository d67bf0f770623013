//! What is foretold against what comes to be when the hours pass.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::{
    backup::{
        Base, FoundWal, RecoverabilityMap, SegmentName, SegmentSize, Stored, StoredSegment, WalArchive,
        WalDeletion,
    },
    cluster::Lsn,
};

const BEGIN: OffsetDateTime = datetime!(2026-11-01 00:00 UTC);
const TAKES: Duration = Duration::minutes(30);

fn hour(hour: i64) -> OffsetDateTime {
    BEGIN + Duration::hours(hour)
}

fn base(begins: i64, condition: Condition) -> Base {
    let start = u64::try_from(begins).unwrap() * SegmentSize::DEFAULT.bytes();
    Base {
        id: format!("base-{begins}"),
        timeline: 1,
        start: Lsn::from_bytes(start + 5),
        stop: Lsn::from_bytes(start + 9),
        begun_at: hour(begins),
        ended_at: hour(begins) + TAKES,
        condition,
        own_wal: true,
        pinned: false,
    }
}

/// A segment an hour, which is stored when the next one begins.
struct Estate {
    hours: i64,
    bases: Vec<Base>,
    /// The first segment that is left.
    kept_from: i64,
    retention: Retention,
}

impl Estate {
    fn wal(&self) -> WalArchive {
        let segments = (self.kept_from..self.hours)
            .map(|number| StoredSegment {
                name: SegmentName {
                    timeline: 1,
                    number: u64::try_from(number).unwrap(),
                },
                stored_at: hour(number + 1),
                last_commit_at: Some(hour(number + 1) - Duration::SECOND),
            })
            .collect();
        WalArchive::new(FoundWal {
            size: SegmentSize::DEFAULT,
            segments,
            histories: Vec::new(),
            uploading: Vec::new(),
            server: None,
            young_s: 300,
            seen_at: hour(self.hours),
        })
    }

    fn map(&self) -> RecoverabilityMap {
        let wal = self.wal();
        RecoverabilityMap::of(&Evidence {
            bases: &self.bases,
            dumps: &[],
            wal: &wal,
            now: hour(self.hours),
        })
    }

    fn forecast(&self, every: i64, until: i64) -> Forecast {
        let schedule = Schedule::new(&format!("0 */{every} * * *"), 0).unwrap();
        let wal = self.wal();
        let evidence = Evidence {
            bases: &self.bases,
            dumps: &[],
            wal: &wal,
            now: hour(self.hours),
        };
        Forecast::of(
            &evidence,
            &self.retention,
            Some(BasesToCome {
                schedule: &schedule,
                takes: TAKES,
            }),
            hour(until),
        )
    }

    /// Deletes what is old.
    fn retain(&mut self) {
        let wal = self.wal();
        let stored = Stored {
            bases: &self.bases,
            wal: Some(&wal),
            copies: &[],
        };
        let plan = self.retention.plan(&stored, hour(self.hours));
        self.bases
            .retain(|base| !plan.delete.iter().any(|deletion| deletion.id == base.id));
        if self.retention.wal_rule == WalRule::Elsewhere {
            let keep = self.retention.wal.unwrap();
            while self.kept_from < self.hours && hour(self.kept_from + 1) < hour(self.hours) - keep {
                self.kept_from += 1;
            }
        }
        for WalDeletion { first, last, .. } in plan.delete_wal {
            assert_eq!(
                i64::try_from(first).unwrap(),
                self.kept_from,
                "from the beginning only"
            );
            self.kept_from = i64::try_from(last).unwrap() + 1;
        }
    }
}

fn retention(wal_rule: WalRule, base: i64, wal: i64) -> Retention {
    Retention {
        base: Some(Duration::hours(base)),
        dump: None,
        wal: Some(Duration::hours(wal)),
        wal_rule,
        redis_rdb: None,
        redis_aof: None,
    }
}

/// The handbook's: WAL for seven days, base backups each week for four.
fn handbook(wal_rule: WalRule) -> Estate {
    let retention = retention(wal_rule, 28 * 24, 7 * 24);
    let week = 7 * 24;
    let mut estate = Estate {
        hours: 3 * week + 24,
        bases: (0..4).map(|at| base(at * week, Condition::Good)).collect(),
        kept_from: 0,
        retention,
    };
    estate.retain();
    estate
}

fn weekly(estate: &Estate, until: i64) -> Forecast {
    let schedule = Schedule::new("0 0 * * SUN", 0).unwrap();
    let wal = estate.wal();
    let evidence = Evidence {
        bases: &estate.bases,
        dumps: &[],
        wal: &wal,
        now: hour(estate.hours),
    };
    Forecast::of(
        &evidence,
        &estate.retention,
        Some(BasesToCome {
            schedule: &schedule,
            takes: TAKES,
        }),
        hour(until),
    )
}

#[test]
fn wal_for_seven_days_against_weekly_base_backups_opens_a_hole_before_the_next_one_ends() {
    let week = 7 * 24;
    let forecast = weekly(&handbook(WalRule::Elsewhere), 5 * week);
    let first = &forecast.as_scheduled[0];
    // An hour after the fourth week began its first segment was stored; seven days later it is gone.
    assert_eq!(first.opens_at, hour(4 * week + 1));
    assert_eq!(first.from, hour(3 * week + 1));
    assert_eq!(first.to, Some(hour(4 * week) + TAKES));
    assert_eq!(first.base.as_deref(), Some("base-504"));
    // The next one was there half an hour before.
    assert!(!first.leaves_nothing);
    assert_eq!(
        first.words(),
        "From 2026-11-29 01:00:00 UTC on no instant between 2026-11-22 01:00:00 UTC and 2026-11-29 00:30:00 UTC can be reached, \
         as the base backup base-504 loses its WAL or goes."
    );
    // Without it nothing is left.
    let last = &forecast.without_bases[0];
    assert_eq!(
        (last.opens_at, last.to, last.leaves_nothing),
        (hour(4 * week + 1), None, true)
    );
}

#[test]
fn what_is_deleted_by_need_opens_no_hole() {
    let week = 7 * 24;
    let forecast = weekly(&handbook(WalRule::Needless), 9 * week);
    assert_eq!(forecast, Forecast::default());
}

#[test]
fn what_the_last_good_one_needs_stays_until_there_is_another() {
    let week = 7 * 24;
    let forecast = weekly(&handbook(WalRule::Old), 5 * week);
    assert_eq!(forecast.without_bases, []);
    assert!(!forecast.as_scheduled[0].leaves_nothing);
    assert_eq!(forecast.as_scheduled[0].opens_at, hour(4 * week + 1));
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop_oneof![4 => Just(Condition::Good), 1 => Just(Condition::Unverified), 1 => Just(Condition::Damaged)]
}

fn rules() -> impl Strategy<Value = WalRule> {
    prop_oneof![
        Just(WalRule::Needless),
        Just(WalRule::Old),
        Just(WalRule::Elsewhere)
    ]
}

/// Nobody looks more often than each hour, so that what is said may be as much earlier or later.
const SLACK: i64 = 2;

/// Lets the hours pass, and holds what can be reached in each against what was foretold.
fn come_to_be(
    estate: &mut Estate,
    openings: &[Opening],
    every: Option<i64>,
    until: i64,
) -> Result<(), TestCaseError> {
    let now = estate.hours;
    let wal = estate.retention.wal.unwrap();
    let reached = |map: &RecoverabilityMap, instant: i64| {
        map.spans
            .iter()
            .any(|span| span.covers(hour(instant) + Duration::minutes(45)))
    };
    let first = estate.map();
    // A hole that is open already is no news, until a base backup ends it.
    let open_until = match (first.spans.is_empty(), every) {
        (false, _) => now,
        (true, Some(every)) => now + every,
        (true, None) => until,
    };
    let expected: Vec<_> = (0..until)
        .filter(|instant| *instant >= open_until || reached(&first, *instant))
        .collect();
    while estate.hours < until {
        estate.hours += 1;
        if let Some(every) = every
            && (estate.hours - 1) % every == 0
        {
            estate.bases.push(base(estate.hours - 1, Condition::Good));
        }
        estate.retain();
        let map = estate.map();
        for instant in expected
            .iter()
            .copied()
            .filter(|instant| instant + SLACK <= estate.hours)
        {
            let of = |slack: i64| {
                openings.iter().filter(move |opening| {
                    opening.from - Duration::hours(slack) <= hour(instant)
                        && opening
                            .to
                            .is_none_or(|to| hour(instant) < to + Duration::hours(slack))
                })
            };
            let age = estate.hours - instant;
            if reached(&map, instant) {
                let said =
                    of(-SLACK).find(|opening| opening.opens_at + Duration::hours(SLACK) < hour(estate.hours));
                prop_assert!(
                    said.is_none(),
                    "at {} {} is reached: {:?}",
                    estate.hours,
                    instant,
                    said
                );
            } else if age + SLACK < wal.whole_hours() {
                let said = of(SLACK).any(|opening| opening.opens_at <= hour(estate.hours + SLACK));
                prop_assert!(
                    said,
                    "at {} {} is not reached: {:?}",
                    estate.hours,
                    instant,
                    openings
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_foretold_comes_to_be_and_nothing_else(
        rule in rules(),
        every in prop::sample::select(vec![4_i64, 6, 8, 12]),
        made in prop::collection::vec((prop::bool::weighted(0.8), conditions(), prop::bool::weighted(0.1)), 0..10),
        base_keep in 10..80_i64,
        wal_keep in 5..60_i64,
    ) {
        let hours = i64::try_from(made.len()).unwrap() * every + 2;
        let bases = made
            .into_iter()
            .zip(0..)
            .filter(|((made, ..), _)| *made)
            .map(|((_, condition, pinned), at)| Base { pinned, ..base(at * every, condition) })
            .collect();
        let present = || {
            let mut estate = Estate { hours, bases, kept_from: 0, retention: retention(rule, base_keep, wal_keep) };
            estate.retain();
            estate
        };
        let mut scheduled = present();
        let mut without = Estate { bases: scheduled.bases.clone(), retention: scheduled.retention, ..scheduled };
        let until = hours + 70;
        let forecast = scheduled.forecast(every, until);
        come_to_be(&mut scheduled, &forecast.as_scheduled, Some(every), until)?;
        come_to_be(&mut without, &forecast.without_bases, None, until)?;
    }
}
