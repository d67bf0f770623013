//! The REST API under `/api/v1`: what the pages show, for programs. Errors are problem+json.

pub mod actions;
pub mod audit;
pub mod backup_list;
pub mod backups;
mod csv;
pub mod database;
pub mod health;
pub mod maintenance;
pub mod openapi;
mod query;
pub mod recoverability;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quarterdeck_app::{error::ConsoleError, view::account::MeView};
use quarterdeck_domain::access::Permission;

use super::{asked::Asked, auth::SignedIn, problem::Problem};

/// Sends what was asked for, or words the failure.
fn answer<T: serde::Serialize>(result: Result<T, ConsoleError>) -> Response {
    match result {
        Ok(view) => Json(view).into_response(),
        Err(error) => failure(error),
    }
}

/// Words a failure as problem+json.
#[must_use]
pub fn failure(error: ConsoleError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = match &error {
        ConsoleError::SignedOut => "Not signed in",
        ConsoleError::Refused(_) => "Not allowed",
        ConsoleError::NotFound(_) => "Not found",
        ConsoleError::BadRequest(_) => "Bad request",
        ConsoleError::Conflict(_) => "Has changed meanwhile",
        ConsoleError::Unavailable(_) => "Not available",
        ConsoleError::Internal { .. } => "The console failed",
    };
    Problem::new(status, title, error.to_string()).into_response()
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/me", tag = "account",
    responses((status = 200, body = MeView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn me(Asked(console): Asked, SignedIn(subject): SignedIn) -> Response {
    if let Err(error) = console.allow(&subject, Permission::ViewOwnSessions) {
        return failure(error);
    }
    Json(MeView {
        username: subject.username,
        display_name: subject.display_name,
        role: subject.role,
    })
    .into_response()
}

/// Answers whatever else is asked under `/api`.
pub async fn no_such_call() -> Response {
    failure(ConsoleError::NotFound(
        "There is no such call; /api/v1/openapi.json lists those that there are.".into(),
    ))
}
