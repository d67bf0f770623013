//! Milliseconds and memory of the rules about backups over a large inventory: 100,000 segments on three timelines, with gaps, and
//! 10,000 backups.
//!
//! `cargo bench -p quarterdeck-domain --bench recoverability -- [SAMPLES]`. Prints a JSON object a line: milliseconds of each
//! sample by what was done, and at last the memory, kB: what the inventory takes as it comes in, and by how much the process grew
//! beyond that at its largest.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "figures for a program; what fails ends it"
)]

use std::{hint::black_box, time::Instant};

use quarterdeck_domain::{
    backup::{
        Base, BasesToCome, Condition, Dump, Evidence, Exposure, Forecast, Fork, FoundWal, Method,
        RecoverabilityMap, Retention, Safe, Sample, Schedule, SegmentName, SegmentSize, ServerWal, Stored,
        StoredCopy, StoredSegment, TimelineHistory, WalArchive, WalRule,
    },
    cluster::Lsn,
};
use serde_json::json;
use time::{Duration, OffsetDateTime, macros::datetime};

const SEGMENTS: u64 = 100_000;
const BASES: u64 = 2_000;
const DUMPS: u64 = 8_000;
/// Every so many segments one is missing.
const GAP_EVERY: u64 = 9_973;
/// A primary is asked where it is every five seconds, for two days.
const SAMPLES: i64 = 2 * 24 * 720;
/// Segments are finished this far apart.
const APART: Duration = Duration::seconds(30);
const BEGIN: OffsetDateTime = datetime!(2026-10-01 00:00 UTC);

fn finished(number: u64) -> OffsetDateTime {
    BEGIN + APART * i32::try_from(number).expect("few")
}

fn now() -> OffsetDateTime {
    finished(SEGMENTS)
}

fn timeline(number: u64) -> u32 {
    1 + u32::from(number >= SEGMENTS / 3) + u32::from(number >= SEGMENTS * 2 / 3)
}

fn at(number: u64, offset: u64) -> Lsn {
    Lsn::from_bytes(SegmentSize::DEFAULT.start_of(number).bytes() + offset)
}

/// As a store lists them: in the order of names that say nothing of time.
fn found() -> FoundWal {
    let mut segments: Vec<_> = (0..SEGMENTS)
        .filter(|number| number % GAP_EVERY != GAP_EVERY - 1)
        .map(|number| StoredSegment {
            name: SegmentName {
                timeline: timeline(number),
                number,
            },
            stored_at: finished(number + 1),
            last_commit_at: (number % 3 != 0).then(|| finished(number)),
        })
        .collect();
    segments.sort_by_key(|segment| segment.name.number.reverse_bits());
    let fork = |parent, number| Fork {
        parent,
        at: at(number, 17),
        reason: String::new(),
    };
    let forks = [fork(1, SEGMENTS / 3), fork(2, SEGMENTS * 2 / 3)];
    FoundWal {
        size: SegmentSize::DEFAULT,
        segments,
        histories: vec![
            TimelineHistory {
                timeline: 2,
                forks: forks[..1].to_vec(),
            },
            TimelineHistory {
                timeline: 3,
                forks: forks.to_vec(),
            },
        ],
        uploading: Vec::new(),
        server: Some(ServerWal {
            timeline: 3,
            position: at(SEGMENTS + 400, 99),
            ready: Some(
                (SEGMENTS..SEGMENTS + 400)
                    .map(|number| SegmentName { timeline: 3, number })
                    .collect(),
            ),
        }),
        young_s: 300,
        seen_at: now(),
    }
}

fn condition(number: u64) -> Condition {
    match number % 10 {
        0 => Condition::Damaged,
        1..4 => Condition::Unverified,
        _ => Condition::Good,
    }
}

fn bases() -> Vec<Base> {
    let every = SEGMENTS / BASES;
    (0..BASES)
        .map(|index| Base {
            id: format!("base/skillquest-{index:06}"),
            timeline: timeline(index * every + 3),
            start: at(index * every + 1, 40),
            stop: at(index * every + 3, 60),
            begun_at: finished(index * every + 1),
            ended_at: finished(index * every + 4),
            condition: condition(index),
            own_wal: index % 2 == 0,
            pinned: index % 500 == 0,
        })
        .collect()
}

fn dumps() -> Vec<Dump> {
    (0..DUMPS)
        .map(|index| Dump {
            id: format!("dump/skillquest-{index:06}"),
            snapshot_at: finished(index * (SEGMENTS / DUMPS)),
            condition: condition(index),
        })
        .collect()
}

/// A figure of `/proc/self/status`, kB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the figure");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = black_box(work());
    println!(
        "{}",
        json!({ "what": what, "ms": begun.elapsed().as_secs_f64() * 1000.0 })
    );
    done
}

fn main() {
    let samples = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(20);
    let before = memory("VmRSS");
    let (found, bases, dumps) = (found(), bases(), dumps());
    let copies: Vec<_> = dumps
        .iter()
        .map(|dump| StoredCopy {
            id: dump.id.clone(),
            method: Method::Dump,
            at: dump.snapshot_at,
            condition: dump.condition,
            pinned: false,
        })
        .collect();
    let positions: Vec<_> = (0..SAMPLES)
        .map(|index| Sample {
            at: now() - Duration::seconds(5) * i32::try_from(SAMPLES - index).expect("few"),
            timeline: 3,
            insert_lsn: at(
                SEGMENTS - 5_000,
                u64::try_from(index).expect("positive") * 2_500_000,
            ),
            ended: index,
        })
        .collect();
    let inventory = memory("VmRSS").saturating_sub(before);
    // The largest size is counted anew from here on.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let start = memory("VmRSS");
    let schedule = Schedule::new("0 * * * *", 0).expect("a pattern");
    let retention = Retention {
        base: Some(Duration::days(14)),
        dump: Some(Duration::days(14)),
        wal: Some(Duration::days(7)),
        wal_rule: WalRule::Old,
        redis_rdb: None,
        redis_aof: None,
    };
    for _ in 0..samples {
        let found = found.clone();
        let wal = timed("order", || WalArchive::new(found));
        timed("continuity", || wal.continuity());
        let evidence = Evidence {
            bases: &bases,
            dumps: &dumps,
            wal: &wal,
            now: now(),
        };
        let map = timed("map", || RecoverabilityMap::of(&evidence));
        assert!(
            map.spans.len() > 5 && map.holes.len() > 5,
            "{} spans",
            map.spans.len()
        );
        timed("answer", || map.answer(now() - Duration::HOUR));
        let line = wal.line(3);
        let end = map.newest_span().expect("a span").end;
        let safe = Safe {
            archived: Some((&line, end)),
            snapshot_at: None,
            newest_commit_at: None,
        };
        timed("exposure", || {
            Exposure::now(&positions, &safe, now(), Duration::seconds(15))
        });
        timed("retention", || {
            retention.plan(
                &Stored {
                    bases: &bases,
                    wal: Some(&wal),
                    copies: &copies,
                },
                now(),
            )
        });
        let to_come = BasesToCome {
            schedule: &schedule,
            takes: Duration::minutes(20),
        };
        timed("forecast", || {
            Forecast::of(&evidence, &retention, Some(to_come), now() + Duration::days(7))
        });
    }
    let peak = memory("VmHWM").saturating_sub(start);
    println!("{}", json!({ "inventory_kb": inventory, "peak_kb": peak }));
}
