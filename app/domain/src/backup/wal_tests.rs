//! Archives that are whole, broken, left for another timeline, and large.

use std::collections::BTreeSet;

use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);
const MIB: u64 = 1 << 20;

fn size() -> SegmentSize {
    SegmentSize::new(MIB).unwrap()
}

fn name((timeline, number): (Timeline, u64)) -> SegmentName {
    SegmentName { timeline, number }
}

/// Stored an hour ago, without a known commit.
fn found(segments: impl IntoIterator<Item = (Timeline, u64)>) -> FoundWal {
    FoundWal {
        size: size(),
        segments: segments
            .into_iter()
            .map(|segment| StoredSegment {
                name: name(segment),
                stored_at: NOW - Duration::HOUR,
                last_commit_at: None,
            })
            .collect(),
        histories: Vec::new(),
        uploading: Vec::new(),
        server: None,
        young_s: 300,
        seen_at: NOW,
    }
}

fn history(timeline: Timeline, forks: &[(Timeline, u64)]) -> TimelineHistory {
    TimelineHistory {
        timeline,
        forks: forks
            .iter()
            .map(|(parent, at)| super::super::Fork {
                parent: *parent,
                at: Lsn::from_bytes(*at),
                reason: "x".into(),
            })
            .collect(),
    }
}

fn server(timeline: Timeline, position: u64, ready: &[(Timeline, u64)]) -> Option<ServerWal> {
    Some(ServerWal {
        timeline,
        position: Lsn::from_bytes(position),
        ready: Some(ready.iter().copied().map(name).collect()),
    })
}

fn gaps(found: FoundWal) -> Vec<(Timeline, u64, u64, Missing)> {
    WalArchive::new(found)
        .continuity()
        .into_iter()
        .flat_map(|timeline| timeline.gaps)
        .map(|gap| (gap.timeline, gap.first, gap.last, gap.missing))
        .collect()
}

fn numbers(timeline: Timeline, numbers: impl IntoIterator<Item = u64>) -> Vec<(Timeline, u64)> {
    numbers.into_iter().map(|number| (timeline, number)).collect()
}

#[test]
fn a_whole_archive_has_one_run_and_no_gap() {
    let archive = WalArchive::new(found(numbers(1, (7..20).rev())));
    let continuity = archive.continuity();
    assert_eq!(continuity.len(), 1);
    assert_eq!((continuity[0].runs.len(), continuity[0].gaps.len()), (1, 0));
    assert_eq!(
        (continuity[0].runs[0].first.number, continuity[0].runs[0].count()),
        (7, 13)
    );
    assert!(WalArchive::new(found([])).continuity().is_empty());
}

#[test]
fn a_gap_names_its_segments_and_why_they_are_missing() {
    let mut broken = found(numbers(1, [1, 2, 7, 9]));
    broken.uploading = vec![name((1, 5))];
    broken.server = server(1, 10 * MIB, &[(1, 4), (1, 3)]);
    assert_eq!(
        gaps(broken),
        [
            (1, 3, 4, Missing::Delayed),
            (1, 5, 5, Missing::Uploading),
            (1, 6, 6, Missing::Lost),
            (1, 8, 8, Missing::Lost)
        ]
    );
    let gap = Gap {
        timeline: 1,
        first: 3,
        last: 4,
        missing: Missing::Delayed,
    };
    assert_eq!(
        gap.words(SegmentSize::DEFAULT),
        "2 segments, 000000010000000000000003 to 000000010000000000000004, are not archived yet"
    );
    let gap = Gap {
        last: 3,
        missing: Missing::Lost,
        ..gap
    };
    assert_eq!(
        gap.words(SegmentSize::DEFAULT),
        "segment 000000010000000000000003 is lost"
    );
}

#[test]
fn a_segment_before_one_that_came_just_now_is_late_and_not_lost() {
    let mut young = found(numbers(1, [1, 3, 5]));
    young.segments[1].stored_at = NOW - Duration::seconds(301);
    young.segments[2].stored_at = NOW - Duration::seconds(299);
    assert_eq!(
        gaps(young),
        [(1, 2, 2, Missing::Lost), (1, 4, 4, Missing::Delayed)]
    );
}

#[test]
fn what_the_server_has_finished_is_expected_and_what_it_still_writes_is_not() {
    let with = |server| FoundWal {
        server,
        ..found(numbers(1, [1, 2]))
    };
    assert_eq!(gaps(with(server(1, 3 * MIB + 5, &[]))), []);
    assert_eq!(
        gaps(with(server(1, 5 * MIB, &[(1, 3), (1, 4)]))),
        [(1, 3, 4, Missing::Delayed)]
    );
    // Archived, as the server believes, and not there.
    assert_eq!(
        gaps(with(server(1, 5 * MIB, &[(1, 4)]))),
        [(1, 3, 3, Missing::Lost), (1, 4, 4, Missing::Delayed)]
    );
    // Nothing was ever stored.
    assert_eq!(
        gaps(FoundWal {
            server: server(1, 2 * MIB, &[(1, 0), (1, 1)]),
            ..found([])
        }),
        [(1, 0, 1, Missing::Delayed)]
    );
    // The backlog can't be asked: the age of the newest decides.
    let mut blind = with(Some(ServerWal {
        timeline: 1,
        position: Lsn::from_bytes(4 * MIB),
        ready: None,
    }));
    assert_eq!(gaps(blind.clone()), [(1, 3, 3, Missing::Lost)]);
    blind.segments[1].stored_at = NOW - Duration::MINUTE;
    assert_eq!(gaps(blind), [(1, 3, 3, Missing::Delayed)]);
}

#[test]
fn a_timeline_ends_rightly_where_it_was_left() {
    let mut promoted = found([numbers(1, 1..5), numbers(2, 5..8)].concat());
    promoted.histories = vec![history(2, &[(1, 5 * MIB + 9)])];
    let continuity = WalArchive::new(promoted.clone()).continuity();
    assert!(
        continuity
            .iter()
            .all(|timeline| timeline.gaps.is_empty() && !timeline.history_missing)
    );
    assert_eq!(continuity[0].left_at, Some(Lsn::from_bytes(5 * MIB + 9)));
    assert_eq!(continuity[1].began, Some((1, Lsn::from_bytes(5 * MIB + 9))));
    let archive = WalArchive::new(promoted.clone());
    assert_eq!(archive.runs(&archive.line(2)).len(), 1, "one run over both");

    // The last one before the switch, and the one of the switch, are needed.
    promoted
        .segments
        .retain(|segment| segment.name.number != 4 && segment.name.number != 5);
    assert_eq!(
        gaps(promoted.clone()),
        [(1, 4, 4, Missing::Lost), (2, 5, 5, Missing::Lost)]
    );
    // The old server went on for a while: that is no part of the line, and neither are holes in it.
    promoted.segments.extend(found(numbers(1, [5, 8])).segments);
    assert_eq!(
        gaps(promoted),
        [(1, 4, 4, Missing::Lost), (2, 5, 5, Missing::Lost)]
    );
}

#[test]
fn a_server_that_was_just_promoted_owes_what_it_has_finished() {
    let mut promoted = found(numbers(1, 1..5));
    promoted.histories = vec![history(2, &[(1, 5 * MIB)])];
    promoted.server = server(2, 7 * MIB, &[(2, 6)]);
    assert_eq!(
        gaps(promoted),
        [(2, 5, 5, Missing::Lost), (2, 6, 6, Missing::Delayed)]
    );
}

#[test]
fn a_timeline_without_its_history_is_said_to_lack_it() {
    let continuity = WalArchive::new(found([numbers(1, 1..5), numbers(2, 5..8)].concat())).continuity();
    assert_eq!(
        continuity
            .iter()
            .map(|timeline| timeline.history_missing)
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn the_newest_commit_is_exact_where_it_was_looked_up_and_a_bound_elsewhere() {
    let mut some = found(numbers(1, 1..4));
    let newest = |found: &FoundWal| WalArchive::new(found.clone()).continuity()[0].runs[0].newest;
    let stored_at = NOW - Duration::HOUR;
    assert_eq!(
        newest(&some),
        Newest {
            certain: None,
            at_most: stored_at
        }
    );
    some.segments[1].last_commit_at = Some(stored_at - Duration::MINUTE);
    assert_eq!(
        newest(&some),
        Newest {
            certain: Some(stored_at - Duration::MINUTE),
            at_most: stored_at
        }
    );
    some.segments[2].last_commit_at = Some(stored_at - Duration::SECOND);
    let last = stored_at - Duration::SECOND;
    assert_eq!(
        newest(&some),
        Newest {
            certain: Some(last),
            at_most: last
        }
    );
    // A clock that was set back: the older commit with the later time is still passed.
    some.segments[2].last_commit_at = Some(stored_at - Duration::HOUR);
    let last = stored_at - Duration::MINUTE;
    assert_eq!(
        newest(&some),
        Newest {
            certain: Some(last),
            at_most: last
        }
    );
}

#[test]
fn a_hundred_thousand_segments_make_no_more_parts_than_they_have() {
    let stored = (0..100_001).filter(|number| *number != 50_000);
    let archive = WalArchive::new(found(numbers(1, stored)));
    let continuity = archive.continuity();
    assert_eq!((continuity[0].runs.len(), continuity[0].gaps.len()), (2, 1));
}

proptest! {
    /// Segment by segment: each number of the line is in exactly one run or one gap, as it is stored or not.
    #[test]
    fn every_segment_is_in_a_run_or_in_a_gap(
        stored in prop::collection::btree_set((1..4_u32, 0..14_u64), 1..30),
        ready in prop::collection::btree_set((1..4_u32, 0..14_u64), 0..6),
        uploading in prop::collection::btree_set((1..4_u32, 0..14_u64), 0..6),
        first_left in 0..8_u64,
        more in 0..6_u64,
        writes in 0..16_u64,
    ) {
        let forks = [(1, first_left * MIB + 3), (2, (first_left + more) * MIB + 7)];
        let mut input = found(stored.iter().copied());
        input.histories = vec![history(2, &forks[..1]), history(3, &forks)];
        input.uploading = uploading.iter().copied().map(name).collect();
        input.server = server(3, writes * MIB, &ready.iter().copied().collect::<Vec<_>>());
        let archive = WalArchive::new(input);
        let continuity = archive.continuity();
        let owner = |number: u64| match number {
            number if number < first_left => 1,
            number if number < first_left + more => 2,
            _ => 3,
        };
        let on_line: BTreeSet<_> = (0..20).filter(|number| stored.contains(&(owner(*number), *number))).collect();
        // What is older than the oldest was deleted, or is of a time before archiving.
        let begin = (0..20).find(|number| on_line.contains(number) || ready.contains(&(owner(*number), *number)));
        let last = on_line.last().map_or(0, |last| last + 1);
        let end = last.max(writes).max(first_left + more);
        for number in 0..20 {
            let segment = (owner(number), number);
            let of = continuity.iter().find(|timeline| timeline.timeline == segment.0).unwrap();
            let in_runs = of.runs.iter().filter(|run| (run.first.number..=run.last.number).contains(&number)).count();
            let in_gaps: Vec<_> = of.gaps.iter().filter(|gap| (gap.first..=gap.last).contains(&number)).collect();
            prop_assert_eq!(in_runs, usize::from(stored.contains(&segment)));
            let is_missing = begin.is_some_and(|begin| begin <= number) && number < end && !stored.contains(&segment);
            prop_assert_eq!(in_gaps.len(), usize::from(is_missing), "{:?}", segment);
            if let [gap] = in_gaps[..] {
                let expected = if uploading.contains(&segment) {
                    Missing::Uploading
                } else if ready.contains(&segment) {
                    Missing::Delayed
                } else {
                    Missing::Lost
                };
                prop_assert_eq!(gap.missing, expected);
            }
        }
    }
}
