//! What is lost against what is said to be lost.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::backup::{Fork, SegmentSize, TimelineHistory};

const BEGIN: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);
const SILENT: Duration = Duration::seconds(15);

fn at(second: i64) -> OffsetDateTime {
    BEGIN + Duration::seconds(second)
}

fn sample(second: i64, position: u64, ended: i64) -> Sample {
    Sample {
        at: at(second),
        timeline: 1,
        insert_lsn: Lsn::from_bytes(position),
        ended,
    }
}

fn line() -> Line {
    Line::to(1, &[], SegmentSize::DEFAULT)
}

fn exposure(samples: &[Sample], end: u64, now: i64) -> Exposure {
    let line = line();
    let safe = Safe {
        archived: Some((&line, Lsn::from_bytes(end))),
        snapshot_at: None,
        newest_commit_at: None,
    };
    Exposure::now(samples, &safe, at(now), SILENT)
}

fn since(safe_until: i64, now: i64, written: bool) -> Exposure {
    Exposure::Since {
        safe_until: at(safe_until),
        exposed_ms: (now - safe_until) * 1000,
        written,
    }
}

#[test]
fn while_nothing_is_written_nothing_is_exposed_however_old_the_archive_is() {
    let idle: Vec<_> = (0..100)
        .map(|minute| sample(minute * 5, 500 + u64::try_from(minute).unwrap(), 7))
        .collect();
    assert_eq!(exposure(&idle, 500, 500), Exposure::Nothing);
    // Then something is written: only since then.
    let mut writing = idle;
    writing.push(sample(500, 700, 8));
    assert_eq!(exposure(&writing, 500, 503), since(495, 503, true));
    // And archived.
    assert_eq!(exposure(&writing, 700, 503), Exposure::Nothing);
}

#[test]
fn a_stuck_archiver_counts_from_the_last_that_was_archived() {
    let writing: Vec<_> = (0..100)
        .map(|second| sample(second * 5, 100 * u64::try_from(second).unwrap(), second))
        .collect();
    assert_eq!(exposure(&writing, 1_000, 497), since(50, 497, true));
}

#[test]
fn a_silent_primary_may_have_gone_on() {
    let idle = [sample(0, 500, 7), sample(5, 500, 7)];
    assert_eq!(exposure(&idle, 500, 20), Exposure::Nothing);
    assert_eq!(exposure(&idle, 500, 21), since(5, 21, false));
}

#[test]
fn without_a_sample_that_old_the_newest_commit_in_the_archive_tells_or_nothing_does() {
    let young = [sample(100, 500, 7), sample(105, 500, 7)];
    assert_eq!(
        exposure(&young, 400, 110),
        Exposure::Unknown {
            at_least_ms: Some(10_000)
        }
    );
    assert_eq!(exposure(&[], 400, 110), Exposure::Unknown { at_least_ms: None });
    let line = line();
    let archived = Some((&line, Lsn::from_bytes(400)));
    let safe = Safe {
        archived,
        snapshot_at: None,
        newest_commit_at: Some(at(20)),
    };
    assert_eq!(
        Exposure::now(&young, &safe, at(110), SILENT),
        since(20, 110, true)
    );
    // A server whose clock is ahead does not make it look better.
    let ahead = Safe {
        newest_commit_at: Some(at(3_000)),
        ..safe
    };
    assert_eq!(
        Exposure::now(&young, &ahead, at(110), SILENT),
        Exposure::Unknown {
            at_least_ms: Some(10_000)
        }
    );
}

#[test]
fn a_dump_makes_safe_what_was_committed_before_its_snapshot() {
    let samples = [sample(0, 500, 7), sample(50, 600, 8), sample(55, 700, 9)];
    let dumped = Safe {
        archived: None,
        snapshot_at: Some(at(52)),
        newest_commit_at: None,
    };
    assert_eq!(
        Exposure::now(&samples, &dumped, at(58), SILENT),
        since(52, 58, true)
    );
    assert_eq!(
        Exposure::now(&samples[..2], &dumped, at(58), SILENT),
        Exposure::Nothing
    );
    assert_eq!(Exposure::now(&[], &dumped, at(58), SILENT), since(52, 58, false));
}

#[test]
fn samples_of_a_clock_that_was_set_back_tell_nothing() {
    let samples = [sample(0, 500, 7), sample(500, 500, 7)];
    assert_eq!(exposure(&samples, 500, 30), since(0, 30, false));
}

#[test]
fn what_an_old_timeline_had_after_the_switch_is_not_lost_again() {
    let history = TimelineHistory {
        timeline: 2,
        forks: vec![Fork {
            parent: 1,
            at: Lsn::from_bytes(500),
            reason: String::new(),
        }],
    };
    let line = Line::to(2, &[history], SegmentSize::DEFAULT);
    let samples = [
        sample(0, 500, 7),
        sample(5, 600, 9),
        Sample {
            timeline: 2,
            ..sample(10, 520, 7)
        },
        Sample {
            timeline: 2,
            ..sample(15, 560, 8)
        },
    ];
    let now = |end, samples| {
        let safe = Safe {
            archived: Some((&line, Lsn::from_bytes(end))),
            snapshot_at: None,
            newest_commit_at: None,
        };
        Exposure::now(samples, &safe, at(16), SILENT)
    };
    assert_eq!(now(500, &samples[..3]), Exposure::Nothing);
    assert_eq!(now(500, &samples[..]), since(10, 16, true));
    assert_eq!(now(560, &samples[..]), Exposure::Nothing);
}

#[test]
fn a_standby_loses_what_it_was_not_told() {
    let line = line();
    let standby = |end, age| StandbyReceived {
        received: (&line, Lsn::from_bytes(end)),
        last_message_age_ms: age,
    };
    let writing = [sample(0, 500, 7), sample(5, 600, 8), sample(10, 700, 9)];
    // It has all there was at the last look, and heard something since.
    assert_eq!(
        standby(700, Some(40)).exposure(&writing, at(12), SILENT),
        Exposure::Nothing
    );
    // The sender hangs: messages are old, and what was written since is on no standby.
    assert_eq!(
        standby(600, Some(6_000)).exposure(&writing, at(12), SILENT),
        since(5, 12, true)
    );
    // Alive, but behind.
    assert_eq!(
        standby(600, Some(10)).exposure(&writing, at(12), SILENT),
        since(5, 12, true)
    );
    // The primary can't be asked by the console, but the standby hears it.
    assert_eq!(
        standby(700, Some(2_000)).exposure(&writing, at(60), SILENT),
        Exposure::Since {
            safe_until: at(58),
            exposed_ms: 2_000,
            written: false
        }
    );
    // Both silent.
    assert_eq!(
        standby(700, Some(50_000)).exposure(&writing, at(60), SILENT),
        since(10, 60, false)
    );
    assert_eq!(
        standby(700, None).exposure(&[], at(60), SILENT),
        Exposure::Unknown { at_least_ms: None }
    );
}

fn points(values: &[Option<i64>]) -> Vec<RpoPoint> {
    values
        .iter()
        .zip(0..)
        .map(|(exposed_ms, minute)| RpoPoint {
            at: at(minute * 60),
            exposed_ms: *exposed_ms,
        })
        .collect()
}

#[test]
fn the_worst_of_a_time_says_how_long_it_was_not_known() {
    let all = points(&[Some(9), Some(3), None, Some(5), Some(2)]);
    let of = |points: &[_], from, now| worst(points, at(from), at(now), Duration::seconds(90));
    assert_eq!(
        of(&all, 0, 240),
        WorstRpo {
            worst: Some(all[0]),
            unknown_ms: 60_000
        }
    );
    assert_eq!(
        of(&all, 60, 240),
        WorstRpo {
            worst: Some(all[3]),
            unknown_ms: 60_000
        }
    );
    // Since the last point for longer than points may be apart, and before the first.
    assert_eq!(
        of(&all[3..], 120, 400),
        WorstRpo {
            worst: Some(all[3]),
            unknown_ms: 60_000 + 70_000
        }
    );
    assert_eq!(
        of(&[], 0, 400),
        WorstRpo {
            worst: None,
            unknown_ms: 400_000
        }
    );
}

#[test]
fn over_the_target_counts_from_the_first_point_over_it() {
    let state = |values: &[Option<i64>]| RpoState::of(&points(values), 10);
    assert_eq!(state(&[Some(50), Some(10)]), RpoState::Within);
    assert_eq!(
        state(&[Some(1), Some(11), Some(12)]),
        RpoState::Over { since: at(60) }
    );
    assert_eq!(
        state(&[Some(1), None, Some(11), None, Some(12)]),
        RpoState::Over { since: at(120) }
    );
    assert_eq!(
        state(&[Some(11), None, None]),
        RpoState::Unknown { since: Some(at(60)) }
    );
    assert_eq!(state(&[]), RpoState::Unknown { since: None });
}

/// A transaction that writes: when it gets its id, when it ends, and what it adds to the WAL then.
#[derive(Debug, Clone)]
struct Transaction {
    begins: i64,
    ends: i64,
    bytes: u64,
}

proptest! {
    /// Never less than what is really lost, and no more than the time between two samples above it.
    #[test]
    fn what_is_lost_is_never_more_than_what_is_said(
        transactions in prop::collection::vec((0..300_i64, 0..60_i64, 1..50_u64), 0..12),
        interval in 1..10_i64,
        archived in 0..600_u64,
        now in 100..320_i64,
    ) {
        let mut transactions: Vec<_> = transactions
            .into_iter()
            .map(|(begins, lasts, bytes)| Transaction { begins, ends: begins + lasts, bytes })
            .collect();
        transactions.sort_by_key(|transaction| transaction.begins);
        // Ids go by begin, positions in the WAL by end.
        let position = |second: i64| 1 + transactions.iter().filter(|transaction| transaction.ends <= second).map(|transaction| transaction.bytes).sum::<u64>();
        let ended = |second: i64| {
            let done = |transaction: &Transaction| transaction.ends <= second;
            let xmax = transactions.iter().rposition(done).map_or(0, |at| at + 1);
            let open = transactions[..xmax].iter().filter(|transaction| !done(transaction)).count();
            i64::try_from(xmax - open).unwrap()
        };
        let interval = usize::try_from(interval).unwrap();
        let samples: Vec<_> = (0..=now).step_by(interval).map(|second| sample(second, position(second), ended(second))).collect();
        // All WAL up to `archived` is stored.
        let lost = transactions.iter().filter(|transaction| transaction.ends <= now && position(transaction.ends) > archived);
        let first_lost = lost.map(|transaction| transaction.ends).min();
        let said = exposure(&samples, archived, now);
        let interval_ms = i64::try_from(interval).unwrap() * 1000;
        match (first_lost, said.ms()) {
            (Some(first), Some(said)) => {
                let really = (now - first) * 1000;
                // What was written since the last sample is not known yet.
                prop_assert!(said >= really || really <= interval_ms, "{} {}", said, really);
                prop_assert!(said <= really + interval_ms, "{} {}", said, really);
            }
            (None, Some(said)) => prop_assert_eq!(said, 0),
            (_, None) => prop_assert_eq!(archived, 0),
        }
    }
}
