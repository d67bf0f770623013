//! `/api/v1/database`: sessions and topology of the watched database.

use std::collections::HashMap;

use axum::{
    Json,
    extract::Query,
    response::{IntoResponse, Response},
};
use quarterdeck_app::{
    ports::Console,
    view::{
        database::{DatabaseSessionsView, SessionFilter},
        topology::TopologyView,
    },
};
use utoipa::IntoParams;

use super::{super::problem::Problem, failure};
use crate::http::{asked::Asked, auth::SignedIn};

/// Which sessions of which node. Empty values ask for nothing.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes the call; SessionFilter::read reads it")]
pub struct SessionsQuery {
    /// Name of the node; the primary if it is left out.
    node: Option<String>,
    /// `active`, `idle`, `idle_in_transaction`, ….
    state: Option<String>,
    /// Of this role.
    user: Option<String>,
    /// Of this application.
    application: Option<String>,
    /// Whose query, or whose idle transaction, is older; seconds.
    longer_than_s: Option<u32>,
}

/// Who is connected to a node, what they do and for how long, who waits for whom, and which of them are never touched.
#[utoipa::path(get, path = "/api/v1/database/sessions", tag = "database", params(SessionsQuery),
    responses((status = 200, body = DatabaseSessionsView, description = "What the page of sessions shows"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn sessions(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let filter = match SessionFilter::read(|name| query.get(name).cloned()) {
        Ok(filter) => filter,
        Err(error) => return failure(error),
    };
    match console.database_sessions(&subject, &filter).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}

/// The nodes of the watched cluster: parts, timelines, positions, lag, slots, archivers, and what is wrong with them. A node
/// that does not answer is part of the answer.
#[utoipa::path(get, path = "/api/v1/database/topology", tag = "database",
    responses((status = 200, body = TopologyView, description = "What the page of the topology shows"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn topology(Asked(console): Asked, SignedIn(subject): SignedIn) -> Response {
    match console.topology(&subject).await {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}
