//! What is remembered of the primaries that were seen: once one is gone, only this tells what it had written.

use std::collections::{BTreeMap, VecDeque};

use crate::cluster::{Lsn, NodeSight};

/// At most so many positions are kept of a node. When there are more, every second one of the older half goes: what is
/// long ago needs less detail.
const POSITIONS: usize = 1200;

/// The pace is taken over so long, ms.
const PACE_MS: i64 = 60_000;

/// A node that was a primary when it was last heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Identifies its cluster, as it said.
    pub system_identifier: Option<i64>,
    /// Its timeline, as it said.
    pub timeline: Option<i32>,
    /// When it was asked first without an answer since, ms since 1970. None while it answers.
    pub gone_at_ms: Option<i64>,
    /// Where it was when: ms since 1970 and how far its WAL was on disk, rising. Of equal positions the first and the last.
    positions: VecDeque<(i64, Lsn)>,
}

impl Remembered {
    /// When it was last heard, ms since 1970, and how far it was.
    #[must_use]
    pub fn last(&self) -> Option<(i64, Lsn)> {
        self.positions.back().copied()
    }

    /// Until when it had nothing that lies after `position`, ms since 1970. None if it was never seen so far back.
    #[must_use]
    pub fn had_until(&self, position: Lsn) -> Option<i64> {
        let mut earlier = self.positions.iter().rev();
        earlier
            .find(|(_, flushed)| *flushed <= position)
            .map(|(at, _)| *at)
    }

    /// Bytes a second that it wrote in its last minute.
    #[must_use]
    pub fn pace(&self) -> f64 {
        let Some((last_at, last)) = self.last() else {
            return 0.0;
        };
        let first = self.positions.iter().find(|(at, _)| last_at - at <= PACE_MS);
        match first {
            Some((at, position)) if *at < last_at => {
                #[expect(clippy::cast_precision_loss, reason = "a pace is an estimate")]
                let pace = last.since(*position) as f64 * 1000.0 / (last_at - at) as f64;
                pace
            }
            Some(_) | None => 0.0,
        }
    }

    fn note(&mut self, at_ms: i64, flushed: Lsn) {
        let repeated = self.positions.len() >= 2
            && self
                .positions
                .iter()
                .rev()
                .take(2)
                .all(|(_, position)| *position == flushed);
        if repeated {
            self.positions.pop_back();
        }
        self.positions.push_back((at_ms, flushed));
        if self.positions.len() > POSITIONS {
            let older = POSITIONS / 2;
            self.positions = self
                .positions
                .iter()
                .enumerate()
                .filter(|(index, _)| *index >= older || index % 2 == 0)
                .map(|(_, position)| *position)
                .collect();
        }
    }
}

/// The primaries that were seen since the console started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    primaries: BTreeMap<String, Remembered>,
}

impl Memory {
    /// Takes in a look at the nodes that began at `at_ms`, ms since 1970. Looks overlap: one that began earlier than another
    /// may end later, and tells then what was before, and not what is.
    pub fn note(&mut self, at_ms: i64, sights: &[NodeSight]) {
        for sight in sights {
            let heard_ms = self
                .of(&sight.name)
                .and_then(|known| known.last())
                .map(|(at, _)| at);
            if heard_ms.is_some_and(|heard| heard >= at_ms) {
                continue;
            }
            match (sight.primary(), &sight.answer) {
                (Some((state, primary)), _) => {
                    let known = self
                        .primaries
                        .entry(sight.name.clone())
                        .or_insert_with(|| Remembered {
                            system_identifier: state.system_identifier,
                            timeline: state.timeline,
                            gone_at_ms: None,
                            positions: VecDeque::new(),
                        });
                    if (known.system_identifier, known.timeline) != (state.system_identifier, state.timeline)
                    {
                        // Another history: what it wrote before says nothing of this one.
                        known.positions.clear();
                    }
                    known.system_identifier = state.system_identifier;
                    known.timeline = state.timeline;
                    known.gone_at_ms = known.gone_at_ms.filter(|gone| *gone > at_ms);
                    known.note(at_ms, primary.flushed);
                }
                // It is a standby now.
                (None, Ok(_)) => {
                    self.primaries.remove(&sight.name);
                }
                (None, Err(_)) => {
                    if let Some(known) = self.primaries.get_mut(&sight.name) {
                        known.gone_at_ms.get_or_insert(at_ms);
                    }
                }
            }
        }
    }

    /// What is remembered of a node that was a primary when it was last heard.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Remembered> {
        self.primaries.get(name)
    }

    /// The node that was a primary on the highest timeline; of two, the one that was heard last.
    #[must_use]
    pub fn primary(&self) -> Option<(&str, &Remembered)> {
        self.primaries
            .iter()
            .max_by_key(|(_, known)| (known.timeline, known.last().map(|(at, _)| at)))
            .map(|(name, known)| (name.as_str(), known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::examples::{primary, silent, standby};
    use proptest::prelude::*;

    #[test]
    fn a_primary_that_is_gone_is_remembered_and_one_that_became_a_standby_is_not() {
        let mut memory = Memory::default();
        memory.note(1_000, &[primary("a", 1, 100), standby("b", 1, 100)]);
        memory.note(2_000, &[primary("a", 1, 300), standby("b", 1, 200)]);
        memory.note(3_000, &[silent("a"), standby("b", 1, 200)]);
        memory.note(4_000, &[silent("a"), standby("b", 1, 200)]);
        // Looks that began before it was gone, and came back late.
        memory.note(2_500, &[primary("a", 1, 400), standby("b", 1, 200)]);
        memory.note(1_500, &[primary("a", 1, 150), standby("b", 1, 150)]);
        let (name, known) = memory.primary().unwrap();
        assert_eq!(
            (name, known.gone_at_ms, known.last()),
            ("a", Some(3_000), Some((2_500, Lsn::from_bytes(400))))
        );
        assert_eq!(known.had_until(Lsn::from_bytes(200)), Some(1_000));
        assert_eq!(known.had_until(Lsn::from_bytes(50)), None);
        assert!((known.pace() - 200.0).abs() < f64::EPSILON);
        memory.note(5_000, &[standby("a", 2, 300), primary("b", 2, 300)]);
        assert_eq!(memory.of("a"), None);
        assert_eq!(memory.primary().unwrap().0, "b");
    }

    #[test]
    fn another_timeline_begins_anew() {
        let mut memory = Memory::default();
        memory.note(1_000, &[primary("a", 1, 900)]);
        memory.note(2_000, &[primary("a", 3, 500)]);
        assert_eq!(
            memory.of("a").unwrap().had_until(Lsn::from_bytes(600)),
            Some(2_000)
        );
        assert!(memory.of("a").unwrap().pace().abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn thinning_keeps_order_and_the_latest(steps in prop::collection::vec((1_i64..5_000, 0_u64..3), 1..4_000)) {
            let mut memory = Memory::default();
            let (mut at, mut position) = (0, 0);
            for (later, more) in steps {
                at += later;
                position += more;
                memory.note(at, &[primary("a", 1, position)]);
            }
            let known = memory.of("a").unwrap();
            prop_assert_eq!(known.last(), Some((at, Lsn::from_bytes(position))));
            prop_assert!(known.positions.len() <= POSITIONS);
            let sorted = known.positions.iter().zip(known.positions.iter().skip(1)).all(|(a, b)| a.0 < b.0 && a.1 <= b.1);
            prop_assert!(sorted);
        }
    }
}
