//! The list as it is held while somebody works with it: rows stay where they are, so that what one points at is not
//! another row when one presses.

use std::collections::HashSet;

use crate::view::database::BackendView;

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The backend as it was last seen.
    pub backend: BackendView,
    /// Whether it is gone, or no longer matches the filter.
    pub ended: bool,
    /// When the query began that can be cancelled from here. While the list is held, it is the last one that ran: a link
    /// that goes away takes the focus with it.
    pub cancels: Option<String>,
}

/// The next list. Unless it is held, it is the fresh one. While it is held, every row keeps its place: it shows what
/// is new of it, or that it ended; and what came stands below.
pub(super) fn next(shown: &[Shown], fresh: Vec<BackendView>, held: bool) -> Vec<Shown> {
    let alive = |backend: BackendView| Shown {
        cancels: backend.query_started_at.clone(),
        ended: false,
        backend,
    };
    if !held {
        return fresh.into_iter().map(alive).collect();
    }
    let known: HashSet<&str> = shown.iter().map(|row| row.backend.id.as_str()).collect();
    let (mut stayed, came): (Vec<BackendView>, Vec<BackendView>) =
        fresh.into_iter().partition(|b| known.contains(b.id.as_str()));
    let kept = shown
        .iter()
        .map(|row| match stayed.iter().position(|b| b.id == row.backend.id) {
            Some(at) => {
                let mut now = alive(stayed.swap_remove(at));
                now.cancels = now.cancels.or_else(|| row.cancels.clone());
                now
            }
            None => Shown {
                ended: true,
                ..row.clone()
            },
        })
        .collect::<Vec<_>>();
    kept.into_iter().chain(came.into_iter().map(alive)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use quarterdeck_domain::database::BackendState;

    use super::*;

    pub(crate) fn backend(pid: i32, age_ms: i64) -> BackendView {
        BackendView {
            id: format!("{pid}@2026-11-24T22:11:03.123456Z"),
            pid,
            kind: "client backend".into(),
            user: None,
            database: None,
            application: String::new(),
            address: None,
            state: BackendState::Active,
            query: Some("SELECT ?".into()),
            query_hidden: false,
            query_started_at: None,
            query_age_ms: Some(age_ms),
            transaction_age_ms: None,
            state_age_ms: None,
            wait: None,
            blocked_by: Vec::new(),
            holds_up: 0,
            long: false,
            protection: None,
        }
    }

    fn drawn(rows: &[Shown]) -> Vec<(i32, Option<i64>, bool)> {
        rows.iter()
            .map(|r| (r.backend.pid, r.backend.query_age_ms, r.ended))
            .collect()
    }

    #[test]
    fn a_held_row_stays_where_it_is() {
        let first = next(&[], vec![backend(1, 10), backend(2, 5)], true);
        let fresh = vec![backend(3, 99), backend(2, 8)];
        let held = next(&first, fresh.clone(), true);
        assert_eq!(
            drawn(&held),
            [(1, Some(10), true), (2, Some(8), false), (3, Some(99), false)]
        );
        // One that matches again is alive again.
        let again = next(&held, vec![backend(1, 20)], true);
        assert_eq!(
            drawn(&again),
            [(1, Some(20), false), (2, Some(8), true), (3, Some(99), true)]
        );
        assert_eq!(
            drawn(&next(&held, fresh, false)),
            [(3, Some(99), false), (2, Some(8), false)]
        );
    }
}
