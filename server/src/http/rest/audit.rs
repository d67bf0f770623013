//! `/api/v1/audit`: searching the audit log, one row with its proof, and taking rows away as a file.

mod export;

use axum::{
    extract::{Path, RawQuery},
    response::Response,
};
use quarterdeck_app::{
    error::ConsoleError,
    ports::Console,
    view::audit::{AuditEntryView, AuditPageView},
};
use quarterdeck_domain::audit::Search;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{super::problem::Problem, answer, failure};
use crate::http::{asked::Asked, auth::SignedIn};

pub use export::{__path_export, export};

/// Which rows; all parts that are given have to fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; the domain reads them, for pages as well"
)]
pub struct FilterQuery {
    /// The actor's name: a user name, or `cli:` and an account of the console's machine.
    actor: Option<String>,
    /// `user`, `command_line`, `system` or `anonymous`.
    actor_kind: Option<String>,
    /// An action such as `session.opened`, or a family such as `session.*`.
    action: Option<String>,
    /// The noun of what it was done to, such as `account`.
    object_kind: Option<String>,
    /// Which one of its kind.
    object_id: Option<String>,
    /// `succeeded`, `refused` or `failed`.
    outcome: Option<String>,
    /// Recorded then or later: RFC 3339, or `2026-11-24T22:00` in UTC.
    from: Option<String>,
    /// Recorded before then.
    to: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; the domain reads them, for pages as well"
)]
pub struct PageQuery {
    /// The rows with a number below this one; the newest rows without it.
    before: Option<u64>,
    /// The rows with a number above this one, the lowest of them.
    after: Option<u64>,
    /// At most so many rows, 1 to 500; 50 if it is left out.
    limit: Option<u16>,
}

/// Reads what is looked for, for pages and calls alike.
///
/// # Errors
/// [`ConsoleError::BadRequest`], which says what to give instead.
fn read(query: Option<&str>) -> Result<Search, ConsoleError> {
    Search::from_query(query.unwrap_or_default())
        .map_err(|error| ConsoleError::BadRequest(format!("This can't be searched for: {error}.")))
}

/// A page of the rows that fit, the newest first.
///
/// Pages stay what they are while rows are written: they are cut by the rows' numbers. Where few of many rows fit, an
/// answer may hold fewer than `limit` rows and say in `searched_to` how far it looked; go on from there.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(FilterQuery, PageQuery),
    responses((status = 200, body = AuditPageView, description = "Rows and where to go on"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub async fn page(Asked(console): Asked, SignedIn(subject): SignedIn, RawQuery(query): RawQuery) -> Response {
    match read(query.as_deref()) {
        Ok(search) => answer(console.audit_page(&subject, &search).await),
        Err(error) => failure(error),
    }
}

/// One row with its hash made anew, held against the rows on either side.
#[utoipa::path(get, path = "/api/v1/audit/{seq}", tag = "audit", params(("seq" = u64, Path, description = "Number of the row")),
    responses((status = 200, body = AuditEntryView, description = "The row, its text and what its proof showed"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn entry(Asked(console): Asked, SignedIn(subject): SignedIn, Path(seq): Path<String>) -> Response {
    match seq.parse() {
        Ok(seq) => answer(console.audit_entry(&subject, seq).await),
        Err(_) => failure(ConsoleError::BadRequest(format!(
            "{seq:?} is no number of a row; rows are numbered from 1."
        ))),
    }
}
