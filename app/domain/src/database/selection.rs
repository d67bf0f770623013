//! "All active longer than …": who is meant, and who is left out and why.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Backend, BackendId, BackendState, Protection, ProtectionRules, Signaller, Snapshot, protection};

/// A backend that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Which one.
    pub id: BackendId,
    /// How long: of its query, or of its idle transaction.
    pub age: Duration,
}

/// A backend that is as old, and is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which one.
    pub id: BackendId,
    /// Why not.
    pub protection: Protection,
}

/// Who is meant, and who is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Those that are meant, the oldest first.
    pub chosen: Vec<Selected>,
    /// Those that would be, were they not protected; the oldest first.
    pub left_out: Vec<LeftOut>,
}

/// Selects what has been active for longer than `limit`, by the age of its query; and if `idle_in_transaction`, also
/// what has held a transaction open for longer without doing anything now.
#[must_use]
pub fn select_longer_than(
    snapshot: &Snapshot,
    limit: Duration,
    idle_in_transaction: bool,
    rules: &ProtectionRules,
    signaller: &Signaller,
) -> Selection {
    let mut old: Vec<(Duration, &Backend)> = snapshot
        .backends
        .iter()
        .filter_map(|b| Some((age(b, snapshot.at, idle_in_transaction)?, b)))
        .filter(|(age, _)| *age > limit)
        .collect();
    old.sort_by_key(|(age, b)| (std::cmp::Reverse(*age), b.id));
    let mut selection = Selection::default();
    for (age, backend) in old {
        let id = backend.id;
        match protection(backend, rules, signaller) {
            None => selection.chosen.push(Selected { id, age }),
            Some(protection) => selection.left_out.push(LeftOut { id, protection }),
        }
    }
    selection
}

/// The age by which a backend is judged; `None` for one that is not meant at any age.
fn age(backend: &Backend, at: OffsetDateTime, idle_in_transaction: bool) -> Option<Duration> {
    match backend.state {
        BackendState::Active | BackendState::FastPath => backend.query_age(at),
        BackendState::IdleInTransaction | BackendState::IdleInTransactionAborted if idle_in_transaction => {
            backend.transaction_age(at)
        }
        BackendState::IdleInTransaction
        | BackendState::IdleInTransactionAborted
        | BackendState::Idle
        | BackendState::Disabled
        | BackendState::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            BackendKind,
            backend::tests::{NOW, client},
            protection::tests::watcher,
        },
        *,
    };

    fn select(backends: Vec<Backend>, limit_s: u64, idle: bool) -> Selection {
        let snapshot = Snapshot { at: NOW, backends };
        select_longer_than(
            &snapshot,
            Duration::from_secs(limit_s),
            idle,
            &ProtectionRules::default(),
            &watcher(),
        )
    }

    fn pids(selection: &Selection) -> Vec<i32> {
        selection.chosen.iter().map(|s| s.id.pid()).collect()
    }

    #[test]
    fn the_limit_is_of_the_query_and_not_of_the_transaction() {
        let mut busy = client(2, 10);
        // A long transaction of short queries.
        busy.transaction_started_at = Some(NOW - time::Duration::hours(2));
        let mut idle = client(3, 900);
        idle.state = BackendState::IdleInTransaction;
        let mut asleep = client(4, 900);
        asleep.state = BackendState::Idle;
        let all = vec![
            client(1, 301),
            busy,
            idle,
            asleep,
            client(5, 300),
            client(6, 1_000),
        ];
        assert_eq!(pids(&select(all.clone(), 300, false)), [6, 1]);
        assert_eq!(pids(&select(all, 300, true)), [6, 3, 1]);
    }

    #[test]
    fn what_is_left_out_is_named_if_it_is_as_old() {
        let mut walsender = client(1, 9_000);
        walsender.kind = BackendKind::WalSender;
        let mut dump = client(2, 600);
        dump.application = "pg_dump".into();
        let mut young = client(3, 5);
        young.application = "pg_dump".into();
        let selection = select(vec![young, dump, walsender, client(4, 400)], 300, false);
        assert_eq!(pids(&selection), [4]);
        let left_out: Vec<i32> = selection.left_out.iter().map(|l| l.id.pid()).collect();
        assert_eq!(left_out, [1, 2]);
    }

    proptest! {
        /// Whoever is chosen is a client's, older than the limit, and not protected; nobody is on both lists.
        #[test]
        fn nobody_is_chosen_who_is_protected_or_young(
            drawn in prop::collection::vec((0_usize..6, 0_usize..7, 0_i64..2_000, prop::bool::ANY), 0..40),
            limit_s in 0_u64..1_500,
            idle in prop::bool::ANY,
        ) {
            let backends: Vec<Backend> = drawn.iter().zip(1..).map(|((kind, state, age_s, dump), pid)| {
                let mut backend = client(pid, *age_s);
                backend.kind = BackendKind::read(["client backend", "walsender", "autovacuum worker", "parallel worker", "checkpointer", "client backend"][*kind]);
                backend.state = BackendState::ALL[*state];
                if *dump { backend.application = "pg_restore".into(); }
                backend
            }).collect();
            let selection = select(backends.clone(), limit_s, idle);
            for chosen in &selection.chosen {
                let backend = backends.iter().find(|b| b.id == chosen.id).unwrap();
                prop_assert_eq!(&backend.kind, &BackendKind::Client);
                prop_assert_ne!(&backend.application, "pg_restore");
                prop_assert!(chosen.age > Duration::from_secs(limit_s));
                prop_assert!(selection.left_out.iter().all(|l| l.id != chosen.id));
                prop_assert!(backend.state != BackendState::Idle);
            }
            for (chosen, next) in selection.chosen.iter().zip(selection.chosen.iter().skip(1)) {
                prop_assert!(chosen.age >= next.age);
            }
        }
    }
}
