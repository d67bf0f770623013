//! Who waits for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::Snapshot;

/// A place in the picture of who waits for whom. A list of them, in order, is a forest written out: what waits for an
/// entry follows it, one level deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The backend's pid; 0 for a prepared transaction, which no process holds. It may be of a backend that has
    /// ended meanwhile.
    pub pid: i32,
    /// How many stand above it.
    pub depth: u32,
    /// How many wait for it, directly or through others. What stands in several places counts once.
    pub waiting: u32,
    /// It stands further up already, and what waits for it stands there: it waits for several, or it is part of a
    /// circle, which the server breaks up after `deadlock_timeout`.
    pub again: bool,
}

/// Puts everybody who waits for a lock below whom they wait for. Those who hold up most come first; who is in a circle
/// and below nobody begins a tree of their own.
#[must_use]
pub fn blocking_forest(snapshot: &Snapshot) -> Vec<Standing> {
    let mut waiters = BTreeMap::<i32, BTreeSet<i32>>::new();
    let mut waiting = BTreeSet::new();
    for backend in &snapshot.backends {
        for blocker in &backend.blocked_by {
            waiters.entry(*blocker).or_default().insert(backend.id.pid());
            waiting.insert(backend.id.pid());
        }
    }
    let held_up = |pid: i32| {
        let mut reached = BTreeSet::new();
        let mut open = vec![pid];
        while let Some(next) = open.pop() {
            for waiter in waiters.get(&next).into_iter().flatten() {
                if *waiter != pid && reached.insert(*waiter) {
                    open.push(*waiter);
                }
            }
        }
        u32::try_from(reached.len()).unwrap_or(u32::MAX)
    };
    let most_first = |pids: &mut Vec<i32>| pids.sort_by_key(|pid| (std::cmp::Reverse(held_up(*pid)), *pid));

    let mut roots: Vec<i32> = waiters
        .keys()
        .copied()
        .filter(|pid| !waiting.contains(pid))
        .collect();
    most_first(&mut roots);
    // Whoever no root leads to is in a circle, or below one.
    let mut rest: Vec<i32> = waiters
        .keys()
        .copied()
        .filter(|pid| waiting.contains(pid))
        .collect();
    most_first(&mut rest);

    let mut forest = Vec::new();
    let mut placed = BTreeSet::new();
    for root in roots.into_iter().chain(rest) {
        if placed.contains(&root) {
            continue;
        }
        let mut open = vec![(root, 0)];
        while let Some((pid, depth)) = open.pop() {
            let again = !placed.insert(pid);
            forest.push(Standing {
                pid,
                depth,
                waiting: held_up(pid),
                again,
            });
            if !again {
                let mut below: Vec<i32> = waiters.get(&pid).into_iter().flatten().copied().collect();
                most_first(&mut below);
                // The last one pushed is the first one visited.
                open.extend(below.into_iter().rev().map(|pid| (pid, depth + 1)));
            }
        }
    }
    forest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::backend::tests::{NOW, client},
        *,
    };

    fn snapshot(waits: &[(i32, &[i32])]) -> Snapshot {
        let backends = waits.iter().map(|(pid, blocked_by)| {
            let mut backend = client(*pid, 10);
            backend.blocked_by = blocked_by.to_vec();
            backend
        });
        Snapshot {
            at: NOW,
            backends: backends.collect(),
        }
    }

    /// `depth:pid`, with `+` for how many wait and `!` for what stands further up already.
    fn drawn(waits: &[(i32, &[i32])]) -> Vec<String> {
        let forest = blocking_forest(&snapshot(waits));
        forest
            .iter()
            .map(|s| {
                format!(
                    "{}:{}+{}{}",
                    s.depth,
                    s.pid,
                    s.waiting,
                    if s.again { "!" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn waits_stand_below_whom_they_wait_for() {
        assert!(drawn(&[(1, &[]), (2, &[])]).is_empty());
        let chain = drawn(&[(3, &[2]), (1, &[]), (2, &[1]), (9, &[8]), (8, &[]), (4, &[2])]);
        assert_eq!(chain, ["0:1+3", "1:2+2", "2:3+0", "2:4+0", "0:8+1", "1:9+0"]);
    }

    #[test]
    fn who_waits_for_several_stands_below_each_and_is_told_once() {
        let shared = drawn(&[(1, &[]), (2, &[]), (3, &[1, 2]), (4, &[3])]);
        assert_eq!(shared, ["0:1+2", "1:3+1", "2:4+0", "0:2+2", "1:3+1!"]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(drawn(&[(1, &[2]), (2, &[1])]), ["0:1+1", "1:2+1", "2:1+1!"]);
        assert_eq!(drawn(&[(1, &[1])]), ["0:1+0", "1:1+0!"]);
    }

    #[test]
    fn a_prepared_transaction_and_a_backend_that_ended_have_a_place() {
        assert_eq!(
            drawn(&[(5, &[0]), (6, &[77])]),
            ["0:0+1", "1:5+0", "0:77+1", "1:6+0"]
        );
    }

    proptest! {
        /// Every wait is drawn, once for each of its ends; nothing is told twice in full.
        #[test]
        fn every_wait_has_its_place(edges in prop::collection::vec((1_i32..12, 0_i32..12), 0..30)) {
            let mut waits = BTreeMap::<i32, BTreeSet<i32>>::new();
            for (waiter, blocker) in edges {
                waits.entry(waiter).or_default().insert(blocker);
            }
            let lists: Vec<(i32, Vec<i32>)> = waits.iter().map(|(pid, by)| (*pid, by.iter().copied().collect())).collect();
            let borrowed: Vec<(i32, &[i32])> = lists.iter().map(|(pid, by)| (*pid, by.as_slice())).collect();
            let forest = blocking_forest(&snapshot(&borrowed));
            let mut above = Vec::new();
            let mut drawn = BTreeSet::new();
            for standing in &forest {
                let depth = usize::try_from(standing.depth).unwrap();
                prop_assert!(depth <= above.len());
                above.truncate(depth);
                if let Some(blocker) = above.last() {
                    prop_assert!(drawn.insert((standing.pid, *blocker)), "drawn twice");
                }
                above.push(standing.pid);
            }
            let expected: BTreeSet<(i32, i32)> = waits.iter().flat_map(|(pid, by)| by.iter().map(|b| (*pid, *b))).collect();
            prop_assert_eq!(drawn, expected);
            let told: Vec<i32> = forest.iter().filter(|s| !s.again).map(|s| s.pid).collect();
            prop_assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len());
        }
    }
}
