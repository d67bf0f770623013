//! What goes, and what never does.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::backup::{
    Dot, Evidence, FoundWal, RecoverabilityMap, SegmentName, Span, StoredSegment,
    recoverability_properties::{World, at, worlds},
};

const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

/// The handbook's.
fn retention(wal_rule: WalRule) -> Retention {
    Retention {
        base: Some(Duration::days(28)),
        dump: Some(Duration::days(30)),
        wal: Some(Duration::days(7)),
        wal_rule,
        redis_rdb: Some(Duration::days(7)),
        redis_aof: None,
    }
}

fn dump(days: i64, condition: Condition) -> StoredCopy {
    StoredCopy {
        id: format!("dump-{days}"),
        method: Method::Dump,
        at: NOW - Duration::days(days),
        condition,
        pinned: false,
    }
}

fn plan_of(copies: &[StoredCopy]) -> RetentionPlan {
    retention(WalRule::Needless).plan(
        &Stored {
            bases: &[],
            wal: None,
            copies,
        },
        NOW,
    )
}

fn goes(plan: &RetentionPlan) -> Vec<&str> {
    plan.delete.iter().map(|deletion| deletion.id.as_str()).collect()
}

fn stays(plan: &RetentionPlan) -> Vec<(&str, StaysBecause)> {
    plan.stay
        .iter()
        .map(|stay| (stay.id.as_str(), stay.because))
        .collect()
}

#[test]
fn what_is_old_goes_and_says_how_old_it_is() {
    let plan = plan_of(&[
        dump(1, Condition::Good),
        dump(30, Condition::Good),
        dump(31, Condition::Damaged),
    ]);
    assert_eq!((goes(&plan), stays(&plan)), (vec!["dump-31"], vec![]));
    assert_eq!(
        plan.delete[0].words(),
        "it is damaged, it is 31 days old, and its kind stays for 30 days"
    );
}

#[test]
fn the_last_good_one_stays_when_new_ones_fail_or_were_not_verified() {
    let copies = [
        dump(50, Condition::Good),
        dump(45, Condition::Good),
        dump(40, Condition::Unverified),
        dump(35, Condition::Unverified),
        dump(32, Condition::Damaged),
    ];
    let plan = plan_of(&copies);
    assert_eq!(goes(&plan), ["dump-50", "dump-40", "dump-32"]);
    assert_eq!(
        stays(&plan),
        [
            ("dump-45", StaysBecause::LastGood),
            ("dump-35", StaysBecause::LastUnverified)
        ]
    );
    // One that is young and not verified does not take its place.
    let plan = plan_of(&[
        dump(45, Condition::Good),
        dump(1, Condition::Unverified),
        dump(0, Condition::Damaged),
    ]);
    assert_eq!(stays(&plan), [("dump-45", StaysBecause::LastGood)]);
}

#[test]
fn what_is_pinned_stays_and_takes_nobodys_place() {
    let pinned = StoredCopy {
        pinned: true,
        ..dump(90, Condition::Good)
    };
    let plan = plan_of(&[pinned, dump(50, Condition::Good), dump(45, Condition::Good)]);
    assert_eq!(goes(&plan), ["dump-50"]);
    assert_eq!(
        stays(&plan),
        [
            ("dump-90", StaysBecause::Pinned),
            ("dump-45", StaysBecause::LastGood)
        ]
    );
}

#[test]
fn a_kind_without_a_limit_stays() {
    let copies = [StoredCopy {
        method: Method::RedisAof,
        ..dump(400, Condition::Good)
    }];
    assert_eq!(plan_of(&copies), RetentionPlan::default());
}

/// A segment an hour, with a base backup each week, as many days ago as `bases` say.
fn weeks(bases: &[i64]) -> (Vec<Base>, WalArchive) {
    let hour = |days: i64| u64::try_from(40 * 24 - days * 24).unwrap();
    let size = SegmentSize::DEFAULT;
    let bases = bases
        .iter()
        .map(|days| Base {
            id: format!("base-{days}"),
            timeline: 1,
            start: Lsn::from_bytes(hour(*days) * size.bytes() + 5),
            stop: Lsn::from_bytes(hour(*days) * size.bytes() + 9),
            begun_at: NOW - Duration::days(*days),
            ended_at: NOW - Duration::days(*days) + Duration::MINUTE,
            condition: Condition::Good,
            own_wal: true,
            pinned: false,
        })
        .collect();
    let segments = (0..hour(0))
        .map(|number| {
            let stored_at = NOW - Duration::days(40) + Duration::hours(i64::try_from(number).unwrap() + 1);
            StoredSegment {
                name: SegmentName { timeline: 1, number },
                stored_at,
                last_commit_at: Some(stored_at),
            }
        })
        .collect();
    let found = FoundWal {
        size,
        segments,
        histories: Vec::new(),
        uploading: Vec::new(),
        server: None,
        young_s: 300,
        seen_at: NOW,
    };
    (bases, WalArchive::new(found))
}

fn wal_plan(rule: WalRule, bases: &[Base], wal: &WalArchive) -> RetentionPlan {
    retention(rule).plan(
        &Stored {
            bases,
            wal: Some(wal),
            copies: &[],
        },
        NOW,
    )
}

#[test]
fn wal_stays_for_the_oldest_base_backup_that_stays() {
    let (bases, wal) = weeks(&[2, 9, 16, 23, 30]);
    let plan = wal_plan(WalRule::Needless, &bases, &wal);
    assert_eq!(goes(&plan), ["base-30"]);
    assert_eq!(
        plan.delete_wal,
        [WalDeletion {
            timeline: 1,
            first: 0,
            last: 17 * 24 - 1
        }]
    );
    assert_eq!(
        plan.wal_stays_because,
        Some(WalStaysBecause::Needed {
            base: "base-23".into()
        })
    );
    assert_eq!(plan.lose_replay, Vec::<String>::new());
}

#[test]
fn by_age_alone_older_base_backups_lose_their_replay_and_are_named() {
    let (bases, wal) = weeks(&[2, 9, 16]);
    let plan = wal_plan(WalRule::Old, &bases, &wal);
    // A segment that was stored exactly seven days ago is not older than that.
    assert_eq!(
        plan.delete_wal,
        [WalDeletion {
            timeline: 1,
            first: 0,
            last: 33 * 24 - 2
        }]
    );
    assert_eq!(plan.lose_replay, ["base-9", "base-16"]);
    assert_eq!((plan.wal_stays, plan.wal_stays_because), (0, None));

    // When new ones fail, WAL stays for the last one.
    let plan = wal_plan(WalRule::Old, &bases[1..], &wal);
    assert_eq!(
        plan.delete_wal,
        [WalDeletion {
            timeline: 1,
            first: 0,
            last: 31 * 24 - 1
        }]
    );
    assert_eq!(plan.lose_replay, ["base-16"]);
    assert_eq!(
        plan.wal_stays_because,
        Some(WalStaysBecause::Needed {
            base: "base-9".into()
        })
    );
}

#[test]
fn a_base_backup_without_wal_of_its_own_keeps_what_makes_it_whole() {
    let (mut bases, wal) = weeks(&[2, 9]);
    bases[1].own_wal = false;
    let plan = wal_plan(WalRule::Old, &bases, &wal);
    let kept = 31 * 24;
    assert_eq!(
        plan.delete_wal,
        [
            WalDeletion {
                timeline: 1,
                first: 0,
                last: kept - 1
            },
            WalDeletion {
                timeline: 1,
                first: kept + 1,
                last: 33 * 24 - 2
            }
        ]
    );
    assert_eq!(plan.lose_replay, ["base-9"]);
}

#[test]
fn without_a_base_backup_or_by_a_rule_of_the_store_no_wal_goes() {
    let (bases, wal) = weeks(&[2]);
    let plan = wal_plan(WalRule::Needless, &[], &wal);
    assert_eq!(
        (plan.delete_wal.len(), plan.wal_stays_because),
        (0, Some(WalStaysBecause::NoBase))
    );
    let plan = wal_plan(WalRule::Elsewhere, &bases, &wal);
    assert_eq!(
        (plan.delete_wal.len(), plan.wal_stays_because),
        (0, Some(WalStaysBecause::Elsewhere))
    );
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Good),
        Just(Condition::Unverified),
        Just(Condition::Damaged)
    ]
}

/// After a plan was carried out.
struct After {
    bases: Vec<Base>,
    wal: WalArchive,
}

fn carried_out(world: &World, plan: &RetentionPlan) -> After {
    let mut found = world.found_wal(&[true]);
    found.segments.retain(|segment| {
        !plan.delete_wal.iter().any(|range| {
            range.timeline == segment.name.timeline
                && (range.first..=range.last).contains(&segment.name.number)
        })
    });
    let bases = world
        .bases
        .iter()
        .filter(|base| !goes(plan).contains(&base.id.as_str()))
        .cloned()
        .collect();
    After {
        bases,
        wal: WalArchive::new(found),
    }
}

fn map(bases: &[Base], wal: &WalArchive, now: i64) -> RecoverabilityMap {
    RecoverabilityMap::of(&Evidence {
        bases,
        dumps: &[],
        wal,
        now: at(now),
    })
}

/// How far each base backup can be replayed, on whichever timeline.
fn reach(map: &RecoverabilityMap, id: &str) -> Option<OffsetDateTime> {
    let spans = map.spans.iter().chain(&map.branches);
    spans
        .filter(|span| span.bases.iter().any(|base| base.id == id))
        .map(|span| span.to)
        .max()
}

fn in_seconds(base: i64, wal: i64, wal_rule: WalRule) -> Retention {
    Retention {
        base: Some(Duration::seconds(base)),
        wal: Some(Duration::seconds(wal)),
        ..retention(wal_rule)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn never_the_last_good_one_never_a_pinned_one_never_a_young_one(
        copies in prop::collection::vec((0..100_i64, condition(), prop::bool::weighted(0.1)), 0..20),
    ) {
        let copies: Vec<_> = copies
            .into_iter()
            .enumerate()
            .map(|(index, (days, condition, pinned))| StoredCopy { id: format!("{index:02}"), pinned, ..dump(days, condition) })
            .collect();
        let plan = plan_of(&copies);
        let goes = goes(&plan);
        let left: Vec<_> = copies.iter().filter(|copy| !goes.contains(&copy.id.as_str())).collect();
        for copy in &copies {
            let gone = goes.contains(&copy.id.as_str());
            let old = NOW - copy.at > Duration::days(30);
            prop_assert!(!gone || (old && !copy.pinned), "{:?}", copy);
            prop_assert_eq!(plan.stay.iter().any(|stay| stay.id == copy.id), old && !gone);
            // Whatever went, something at least as new of its kind is left.
            if gone && copy.condition.usable() {
                prop_assert!(left.iter().any(|other| other.condition.usable() && other.at >= copy.at));
            }
            if gone && copy.condition == Condition::Good {
                prop_assert!(left.iter().any(|other| other.condition == Condition::Good && other.at >= copy.at));
            }
        }
        // And no more than two stay that have no other reason.
        let kept = plan.stay.iter().filter(|stay| stay.because != StaysBecause::Pinned).count();
        prop_assert!(kept <= 2);
        let left: Vec<_> = left.into_iter().cloned().collect();
        prop_assert!(plan_of(&left).delete.is_empty());
    }

    /// What stays can be restored as before: WAL that it needs is still there.
    #[test]
    fn never_wal_that_a_base_backup_needs_which_stays(
        world in worlds(), base in 0..500_i64, wal in 0..500_i64, pinned in prop::collection::vec(prop::bool::weighted(0.2), 1..8),
    ) {
        let mut world = world;
        for (base, pinned) in world.bases.iter_mut().zip(pinned.iter().cycle()) {
            base.pinned = *pinned;
        }
        let rules = in_seconds(base, wal, WalRule::Needless);
        let before = world.found_wal(&[true]);
        let before = WalArchive::new(before);
        let stored = Stored { bases: &world.bases, wal: Some(&before), copies: &[] };
        let plan = rules.plan(&stored, at(world.now));
        let after = carried_out(&world, &plan);
        let of = |map: RecoverabilityMap| -> (Vec<Span>, Vec<Span>, Vec<Dot>) { (map.spans, map.branches, map.dots) };
        prop_assert_eq!(of(map(&after.bases, &before, world.now)), of(map(&after.bases, &after.wal, world.now)));
        prop_assert!(plan.lose_replay.is_empty());
        for segment in before.segments().iter().filter(|segment| at(world.now) - segment.stored_at <= Duration::seconds(wal)) {
            prop_assert!(after.wal.segments().contains(segment), "{:?} is young", segment);
        }
        let stored = Stored { bases: &after.bases, wal: Some(&after.wal), copies: &[] };
        let again = rules.plan(&stored, at(world.now));
        prop_assert_eq!((again.delete, again.delete_wal), (vec![], vec![]));
    }

    /// By age, what is lost is named, and it is never the last good one that loses.
    #[test]
    fn by_age_whatever_loses_its_replay_is_named(world in worlds(), base in 0..500_i64, wal in 0..500_i64) {
        let rules = in_seconds(base, wal, WalRule::Old);
        let before = WalArchive::new(world.found_wal(&[true]));
        let stored = Stored { bases: &world.bases, wal: Some(&before), copies: &[] };
        let plan = rules.plan(&stored, at(world.now));
        let after = carried_out(&world, &plan);
        let (was, is) = (map(&after.bases, &before, world.now), map(&after.bases, &after.wal, world.now));
        for base in &after.bases {
            let (was, is) = (reach(&was, &base.id), reach(&is, &base.id));
            if was != is && !(is.is_none() && was == Some(base.ended_at)) {
                prop_assert!(plan.lose_replay.contains(&base.id), "{:?}: {:?} {:?} {:?}", base.id, was, is, plan);
            }
        }
        let current = map(&after.bases, &before, world.now);
        for condition in [&[Condition::Good][..], &[Condition::Good, Condition::Unverified]] {
            let of_spans = current.spans.iter().flat_map(|span| &span.bases);
            let last = of_spans.filter(|base| condition.contains(&base.condition)).max_by_key(|base| (base.from, base.id.clone()));
            if let Some(last) = last {
                let usable: Vec<_> = world.bases.iter().filter(|base| condition.contains(&base.condition)).collect();
                let newest = usable.iter().map(|base| base.ended_at).max();
                if newest == Some(last.from) {
                    prop_assert!(!plan.lose_replay.contains(&last.id), "{:?} {:?}", last, plan);
                }
            }
        }
    }
}
