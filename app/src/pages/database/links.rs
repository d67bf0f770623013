//! Addresses that lead from a session into the flow of a guarded action.

use crate::{components::address::address, view::database::BackendView};

/// Where cancelling the query is asked for that a backend began at a time.
pub(super) fn cancel(node: &str, backend: &BackendView, query_started_at: &str) -> String {
    address(
        "/actions/new",
        &[
            ("kind", "cancel_query".to_owned()),
            ("node", node.to_owned()),
            ("backend", backend.id.clone()),
            ("query_start", query_started_at.to_owned()),
        ],
    )
}

/// Where terminating a backend is asked for.
pub(super) fn terminate(node: &str, backend: &BackendView) -> String {
    address(
        "/actions/new",
        &[
            ("kind", "terminate_backend".to_owned()),
            ("node", node.to_owned()),
            ("backend", backend.id.clone()),
        ],
    )
}
