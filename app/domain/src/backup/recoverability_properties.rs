//! The map against an oracle that walks segment by segment and commit by commit, over random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::cluster::Lsn;

const BEGIN: OffsetDateTime = datetime!(2026-11-01 00:00 UTC);
const SEGMENT: u64 = 1 << 20;
/// What a step writes is in tenths of a segment.
const TENTH: u64 = SEGMENT / 10;

pub(super) fn at(second: i64) -> OffsetDateTime {
    BEGIN + Duration::seconds(second)
}

/// What happens within ten seconds.
#[derive(Debug, Clone)]
enum Step {
    /// The current server writes, with a commit at the end.
    Write {
        tenths: u64,
    },
    /// A server that was left goes on writing.
    WriteOld {
        tenths: u64,
    },
    /// A standby is promoted that lacks the last so many tenths.
    Promote {
        lacks: u64,
    },
    /// A base backup that ends so many steps later.
    Base {
        steps: usize,
        own_wal: bool,
        condition: Condition,
    },
    Dump {
        damaged: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let condition = prop_oneof![3 => Just(Condition::Good), 2 => Just(Condition::Unverified), 2 => Just(Condition::Damaged)];
    prop_oneof![
        12 => (0..26_u64).prop_map(|tenths| Step::Write { tenths }),
        3 => (0..26_u64).prop_map(|tenths| Step::WriteOld { tenths }),
        1 => (0..15_u64).prop_map(|lacks| Step::Promote { lacks }),
        4 => (1..4_usize, any::<bool>(), condition).prop_map(|(steps, own_wal, condition)| Step::Base { steps, own_wal, condition }),
        1 => any::<bool>().prop_map(|damaged| Step::Dump { damaged }),
    ]
}

#[derive(Debug, Clone)]
struct Written {
    parent: Option<(Timeline, u64)>,
    position: u64,
    /// Position and second.
    commits: Vec<(u64, i64)>,
    /// The second at which each segment was complete.
    complete: BTreeMap<u64, i64>,
}

/// All that was ever written, and what is left of it.
#[derive(Debug, Clone)]
pub(super) struct World {
    timelines: BTreeMap<Timeline, Written>,
    current: Timeline,
    pub(super) bases: Vec<Base>,
    dumps: Vec<Dump>,
    stored: BTreeSet<(Timeline, u64)>,
    ready: BTreeSet<(Timeline, u64)>,
    histories: BTreeSet<Timeline>,
    /// What each walk came to, by line and base backup: in order of their ends.
    walks: BTreeMap<Timeline, Vec<Walk>>,
    pub(super) now: i64,
}

#[derive(Debug, Clone)]
struct Walk {
    base: Base,
    /// The newest second that replay comes to. None if it is not even consistent.
    newest: Option<i64>,
    /// The number of the first segment that it lacks.
    missing: u64,
}

impl World {
    fn live(steps: &[Step]) -> Self {
        let first = Written {
            parent: None,
            position: 1,
            commits: vec![(1, 0)],
            complete: BTreeMap::new(),
        };
        let mut world = Self {
            timelines: BTreeMap::from([(1, first)]),
            current: 1,
            bases: Vec::new(),
            dumps: Vec::new(),
            stored: BTreeSet::new(),
            ready: BTreeSet::new(),
            histories: BTreeSet::new(),
            walks: BTreeMap::new(),
            now: 0,
        };
        let mut unfinished: Vec<(usize, Base)> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            world.now += 10;
            let (done, open) = unfinished.into_iter().partition(|(ends, _)| *ends <= index);
            unfinished = open;
            for (_, base) in done {
                world.finish(base);
            }
            match step {
                Step::Write { tenths } => world.write(world.current, *tenths),
                Step::WriteOld { tenths } => {
                    if world.current > 1 {
                        world.write(world.current - 1, *tenths);
                    }
                }
                Step::Promote { lacks } => {
                    let old = &world.timelines[&world.current];
                    let begin = old.parent.map_or(1, |(_, fork)| fork);
                    let fork = old.position.saturating_sub(lacks * TENTH).max(begin);
                    let new = Written {
                        parent: Some((world.current, fork)),
                        position: fork,
                        commits: Vec::new(),
                        complete: BTreeMap::new(),
                    };
                    world.current += 1;
                    world.timelines.insert(world.current, new);
                    // It ends with its server.
                    unfinished.clear();
                }
                Step::Base {
                    steps,
                    own_wal,
                    condition,
                } => {
                    let start = Lsn::from_bytes(world.timelines[&world.current].position);
                    let base = Base {
                        id: format!("base-{index}"),
                        timeline: world.current,
                        start,
                        stop: start,
                        begun_at: at(world.now),
                        ended_at: at(world.now),
                        condition: *condition,
                        own_wal: *own_wal,
                        pinned: false,
                    };
                    unfinished.push((index + steps, base));
                }
                Step::Dump { damaged } => world.dumps.push(Dump {
                    id: format!("dump-{index}"),
                    snapshot_at: at(world.now),
                    condition: if *damaged {
                        Condition::Damaged
                    } else {
                        Condition::Good
                    },
                }),
            }
        }
        world.now += 10;
        world
    }

    fn write(&mut self, timeline: Timeline, tenths: u64) {
        let Some(written) = self.timelines.get_mut(&timeline).filter(|_| tenths > 0) else {
            return;
        };
        let before = written.position / SEGMENT;
        written.position += tenths * TENTH;
        written.commits.push((written.position - 1, self.now + 5));
        for number in before..written.position / SEGMENT {
            written.complete.insert(number, self.now + 7);
        }
    }

    /// A base backup writes a little itself, so that its stop is after its start.
    fn finish(&mut self, mut base: Base) {
        self.write(base.timeline, 1);
        let written = self.timelines.get_mut(&base.timeline).unwrap();
        written.commits.last_mut().unwrap().1 = self.now;
        base.stop = Lsn::from_bytes(written.position);
        base.ended_at = at(self.now);
        self.bases.push(base);
    }

    /// Puts complete segments into the store, and leaves out what is in `lost`; the newest `backlog` of the current
    /// timeline are ready, and those before `pruned` gone.
    fn archive(mut self, lost: &[bool], backlog: usize, pruned: u64, histories: &[bool]) -> Self {
        let mut luck = lost.iter().cycle();
        for (timeline, written) in &self.timelines {
            for number in written.complete.keys() {
                if *number >= pruned && !luck.next().unwrap() {
                    self.stored.insert((*timeline, *number));
                }
            }
        }
        let last = self.timelines[&self.current]
            .complete
            .keys()
            .rev()
            .take(backlog)
            .copied()
            .collect::<Vec<_>>();
        for number in last {
            self.stored.remove(&(self.current, number));
            self.ready.insert((self.current, number));
        }
        self.histories = (2..=self.current)
            .filter(|timeline| histories[*timeline as usize % histories.len()])
            .collect();
        self.walks = self
            .timelines
            .keys()
            .map(|line| {
                (
                    *line,
                    self.on_line(*line)
                        .into_iter()
                        .map(|base| self.walk(base, *line))
                        .collect(),
                )
            })
            .collect();
        self
    }

    /// The timelines to one, from the first, each with where it was left.
    fn path(&self, timeline: Timeline) -> Vec<(Timeline, u64)> {
        let mut path = vec![(timeline, u64::MAX)];
        // A history names all ancestors.
        if self.histories.contains(&timeline) {
            while let Some((parent, fork)) = self.timelines[&path[0].0].parent {
                path.insert(0, (parent, fork));
            }
        }
        path
    }

    /// From which timeline recovery takes a segment.
    fn owner(&self, path: &[(Timeline, u64)], number: u64) -> Timeline {
        let mut owner = path[0].0;
        for pair in path.windows(2) {
            if pair[0].1 / SEGMENT <= number {
                owner = pair[1].0;
            }
        }
        owner
    }

    /// The commits in a stored segment, of its timeline and of those it came from.
    fn commits(&self, timeline: Timeline, number: u64) -> Vec<(u64, i64)> {
        let mut commits = Vec::new();
        let (mut timeline, mut until) = (timeline, u64::MAX);
        loop {
            let written = &self.timelines[&timeline];
            commits.extend(
                written
                    .commits
                    .iter()
                    .filter(|(position, _)| *position < until && position / SEGMENT == number),
            );
            match written.parent {
                Some((parent, fork)) => (timeline, until) = (parent, until.min(fork)),
                None => return commits,
            }
        }
    }

    fn walk(&self, base: &Base, line: Timeline) -> Walk {
        let path = self.path(line);
        let mut number = if base.own_wal { base.stop } else { base.start }.bytes() / SEGMENT;
        let mut newest = base.own_wal.then(|| second(base.ended_at));
        loop {
            // Consistent as soon as all before its stop was read.
            if number * SEGMENT >= base.stop.bytes() {
                newest = newest.max(Some(second(base.ended_at)));
            }
            let owner = self.owner(&path, number);
            if !self.stored.contains(&(owner, number)) {
                return Walk {
                    base: base.clone(),
                    newest,
                    missing: number,
                };
            }
            for (position, second) in self.commits(owner, number) {
                if position > base.stop.bytes() {
                    newest = newest.max(Some(second));
                }
            }
            number += 1;
        }
    }

    fn on_line(&self, line: Timeline) -> Vec<&Base> {
        let path = self.path(line);
        let mut bases: Vec<_> = self
            .bases
            .iter()
            .filter(|base| {
                path.iter()
                    .any(|(timeline, left)| *timeline == base.timeline && base.stop.bytes() <= *left)
            })
            .collect();
        bases.sort_by_key(|base| (base.ended_at, base.stop));
        bases
    }

    /// Whether replay on a line leads to an instant from any base backup, or from one.
    fn replays(&self, line: Timeline, instant: i64, only: Option<&str>) -> bool {
        self.walks[&line].iter().any(|walk| {
            only.is_none_or(|only| walk.base.id == only)
                && walk.base.condition.usable()
                && second(walk.base.ended_at) <= instant
                && walk.newest.is_some_and(|newest| instant <= newest)
        })
    }

    /// Whether a backup alone is of this instant.
    fn dot(&self, instant: i64) -> bool {
        let mut bases = self.walks[&self.current]
            .iter()
            .map(|walk| &walk.base)
            .filter(|base| base.condition.usable() && base.own_wal);
        let mut dumps = self.dumps.iter().filter(|dump| dump.condition.usable());
        bases.any(|base| second(base.ended_at) == instant)
            || dumps.any(|dump| second(dump.snapshot_at) == instant)
    }

    pub(super) fn found_wal(&self, looked_up: &[bool]) -> FoundWal {
        let mut luck = looked_up.iter().cycle();
        let segments = self
            .stored
            .iter()
            .map(|(timeline, number)| {
                // The last commit in it or before it.
                let last = (0..=*number)
                    .rev()
                    .find_map(|number| {
                        self.commits(*timeline, number)
                            .into_iter()
                            .map(|(_, second)| second)
                            .max()
                    })
                    .unwrap_or(0);
                StoredSegment {
                    name: SegmentName {
                        timeline: *timeline,
                        number: *number,
                    },
                    stored_at: at(self.timelines[timeline].complete[number]),
                    last_commit_at: luck.next().unwrap().then(|| at(last)),
                }
            })
            .collect();
        let histories = self
            .histories
            .iter()
            .map(|timeline| {
                let path = self.path(*timeline);
                TimelineHistory {
                    timeline: *timeline,
                    forks: path[..path.len() - 1]
                        .iter()
                        .map(|(parent, fork)| Fork {
                            parent: *parent,
                            at: Lsn::from_bytes(*fork),
                            reason: String::new(),
                        })
                        .collect(),
                }
            })
            .collect();
        FoundWal {
            size: SegmentSize::new(SEGMENT).unwrap(),
            segments,
            histories,
            uploading: Vec::new(),
            server: Some(ServerWal {
                timeline: self.current,
                position: Lsn::from_bytes(self.timelines[&self.current].position),
                ready: Some(
                    self.ready
                        .iter()
                        .map(|(timeline, number)| SegmentName {
                            timeline: *timeline,
                            number: *number,
                        })
                        .collect(),
                ),
            }),
            young_s: 0,
            seen_at: at(self.now),
        }
    }

    fn found(&self, looked_up: &[bool]) -> WalArchive {
        WalArchive::new(self.found_wal(looked_up))
    }

    fn map(&self, archive: &WalArchive) -> RecoverabilityMap {
        RecoverabilityMap::of(&Evidence {
            bases: &self.bases,
            dumps: &self.dumps,
            wal: archive,
            now: at(self.now),
        })
    }

    /// What stands in the way of an instant that can't be reached, walked from the newest base backup before it.
    fn hindrance(&self, instant: i64) -> Hindrance {
        let line = self.current;
        let Some(Walk {
            base,
            newest,
            missing,
        }) = self.walks[&line]
            .iter()
            .rfind(|walk| second(walk.base.ended_at) <= instant)
        else {
            return Hindrance::NoBase;
        };
        let missing = *missing;
        if !base.condition.usable() && newest.is_some_and(|newest| instant < newest) {
            return Hindrance::Damaged(base.id.clone());
        }
        let path = self.path(line);
        let stored = |number: &u64| self.stored.contains(&(self.owner(&path, *number), *number));
        let end = self.timelines[&line].position / SEGMENT;
        if !(0..missing).any(|number| stored(&number)) && (missing..end).any(|number| stored(&number)) {
            Hindrance::Pruned(missing)
        } else if (missing..end).any(|number| stored(&number)) {
            Hindrance::Missing(missing)
        } else if (missing..end).all(|number| self.ready.contains(&(self.owner(&path, number), number))) {
            Hindrance::End
        } else {
            Hindrance::Missing(missing)
        }
    }
}

#[derive(Debug, PartialEq)]
enum Hindrance {
    NoBase,
    Damaged(String),
    Pruned(u64),
    Missing(u64),
    End,
}

fn second(at: OffsetDateTime) -> i64 {
    (at - BEGIN).whole_seconds()
}

pub(super) fn worlds() -> impl Strategy<Value = World> {
    (
        prop::collection::vec(step(), 1..40),
        prop::collection::vec(prop::bool::weighted(0.08), 1..40),
        0..4_usize,
        prop_oneof![3 => Just(0), 2 => 0..30_u64],
        prop::collection::vec(prop::bool::weighted(0.9), 1..6),
    )
        .prop_map(|(steps, lost, backlog, pruned, histories)| {
            World::live(&steps).archive(&lost, backlog, pruned, &histories)
        })
}

fn others(world: &World) -> impl Iterator<Item = Timeline> {
    world
        .timelines
        .keys()
        .copied()
        .filter(|timeline| *timeline != world.current)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_instant_is_on_the_map_exactly_if_a_walk_leads_there(world in worlds()) {
        let archive = world.found(&[true]);
        let map = world.map(&archive);
        let usable = world.walks[&world.current].iter().filter(|walk| walk.base.condition.usable() && walk.newest.is_some());
        let end = usable.map(|walk| walk.base.stop.bytes().max(walk.missing * SEGMENT)).max();
        prop_assert_eq!(map.end.map(Lsn::bytes), end);
        for instant in 0..=world.now {
            let answer = map.answer(at(instant));
            let replays = world.replays(world.current, instant, None);
            let dot = world.dot(instant);
            match &answer {
                Answer::Replay { base, certain, timeline } => {
                    prop_assert!(world.replays(*timeline, instant, Some(&base.id)), "{}: {:?}", instant, answer);
                    prop_assert!(*certain);
                }
                Answer::Exactly { .. } => prop_assert!(dot, "{}: {:?}", instant, answer),
                Answer::Branch { base, timeline, .. } => {
                    prop_assert!(!replays && !dot, "{}: {:?}", instant, answer);
                    prop_assert!(world.replays(*timeline, instant, Some(&base.id)), "{}: {:?}", instant, answer);
                }
                Answer::Unreachable { before, after, .. } => {
                    prop_assert!(!replays && !dot, "{}: {:?}", instant, answer);
                    for timeline in others(&world) {
                        prop_assert!(!world.replays(timeline, instant, None), "{} on {}: {:?}", instant, timeline, answer);
                    }
                    let reaches = |second: &i64| world.replays(world.current, *second, None) || world.dot(*second);
                    prop_assert_eq!(before.as_ref().map(|near| second(near.at)), (0..instant).rev().find(reaches));
                    prop_assert_eq!(after.as_ref().map(|near| second(near.at)), (instant + 1..=world.now).find(reaches));
                }
            }
        }
    }

    #[test]
    fn why_an_instant_is_not_reached_is_what_a_walk_stumbles_over(world in worlds()) {
        let archive = world.found(&[true]);
        let map = world.map(&archive);
        for instant in 0..=world.now {
            if world.replays(world.current, instant, None) || world.dot(instant) {
                continue;
            }
            let why = match map.answer(at(instant)) {
                Answer::Branch { why, .. } | Answer::Unreachable { why, .. } => why,
                reached @ (Answer::Replay { .. } | Answer::Exactly { .. }) => panic!("{instant}: {reached:?}"),
            };
            let agrees = match (world.hindrance(instant), &why) {
                (Hindrance::NoBase, Why::InHole { hole }) => matches!(hole.cause, Cause::NoBase | Cause::NoHistory { .. }),
                // A base backup is there, and not yet the WAL that makes it consistent.
                (Hindrance::NoBase | Hindrance::End, Why::BeforeFirst { first }) => instant < second(*first),
                (Hindrance::NoBase, Why::Nothing) => map.spans.is_empty() && map.dots.is_empty(),
                (Hindrance::Damaged(id), Why::InHole { hole }) => hole.cause == (Cause::BaseDamaged { base: id }),
                (Hindrance::Pruned(number), Why::InHole { hole }) => {
                    matches!(&hole.cause, Cause::WalPruned { needs, .. } if needs.number == number)
                }
                (Hindrance::Missing(number), Why::InHole { hole }) => {
                    matches!(&hole.cause, Cause::SegmentsMissing { gaps, .. } if gaps[0].first == number)
                }
                (Hindrance::End, Why::PastArchive { newest }) => second(*newest) < instant,
                (Hindrance::End, Why::Nothing) => map.spans.is_empty() && map.dots.is_empty(),
                (_, _) => false,
            };
            prop_assert!(agrees, "{}: {:?} {:?} in {:#?}", instant, world.hindrance(instant), why, map);
            prop_assert!(!why.words(at(instant), archive.size()).is_empty());
        }
    }

    /// Where times of commits are not known, truth lies between what is certain and what is possible.
    #[test]
    fn what_was_not_looked_up_is_bounded_from_both_sides(world in worlds(), looked_up in prop::collection::vec(any::<bool>(), 1..30)) {
        let archive = world.found(&looked_up);
        let map = world.map(&archive);
        for instant in 0..=world.now {
            let replays = world.replays(world.current, instant, None);
            match map.answer(at(instant)) {
                Answer::Replay { certain: true, .. } => prop_assert!(replays, "{}", instant),
                Answer::Replay { certain: false, .. } | Answer::Exactly { .. } => {}
                other @ (Answer::Branch { .. } | Answer::Unreachable { .. }) => {
                    prop_assert!(!replays && !world.dot(instant), "{}: {:?}", instant, other);
                }
            }
        }
    }

    /// In order, without overlap, and none where a span is.
    #[test]
    fn spans_and_holes_share_the_time_among_them(world in worlds()) {
        let archive = world.found(&[true]);
        let map = world.map(&archive);
        for pair in map.spans.windows(2) {
            prop_assert!(pair[0].to < pair[1].from, "{:?}", pair);
        }
        for pair in map.holes.windows(2) {
            prop_assert!(pair[0].to.is_some_and(|to| to <= pair[1].from), "{:?}", pair);
        }
        for hole in &map.holes {
            prop_assert!(hole.to.is_none_or(|to| hole.from < to));
            for span in &map.spans {
                prop_assert!(hole.to.is_some_and(|to| to <= span.from) || span.to <= hole.from, "{:?} {:?}", hole, span);
            }
        }
    }
}
