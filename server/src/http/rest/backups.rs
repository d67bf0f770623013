//! `/api/v1/backups`: telling of runs that were done elsewhere, and making them here.

use axum::{
    Json,
    extract::{Path, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{access::Permission, backup::Method};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{super::problem::Problem, failure};
use crate::{
    http::{asked::Asked, auth::SignedIn},
    services::backups::runs::Report,
};

/// A backup that a job elsewhere has made, or tried to.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReportBody {
    /// What it made.
    method: Method,
    /// The machine it ran on.
    host: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    began_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    ended_at: OffsetDateTime,
    /// How it ended; absent if it was killed.
    exit_code: Option<i32>,
    /// Bytes of what it made, if it knows.
    bytes: Option<u64>,
    /// What was run.
    #[serde(default)]
    command: String,
    /// The end of what it said.
    #[serde(default)]
    log: String,
}

/// A run that was written down.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunCreated {
    /// Its id.
    id: Uuid,
}

/// What is to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NowBody {
    /// What.
    method: Method,
}

fn body<T>(read: Result<Json<T>, JsonRejection>) -> Result<T, ConsoleError> {
    let Json(body) =
        read.map_err(|error| ConsoleError::BadRequest(format!("{}. Nothing was done.", error.body_text())))?;
    Ok(body)
}

fn created(status: StatusCode, done: Result<Uuid, ConsoleError>) -> Response {
    match done {
        Ok(id) => (status, Json(RunCreated { id })).into_response(),
        Err(error) => failure(error),
    }
}

/// Tells of a run that was done elsewhere.
#[utoipa::path(post, path = "/api/v1/backups/runs", tag = "backups", request_body = ReportBody,
    responses((status = 201, body = RunCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn report(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    read: Result<Json<ReportBody>, JsonRejection>,
) -> Response {
    let reported = async {
        console.allow(&subject, Permission::ReportBackups)?;
        let body = body(read)?;
        let report = Report {
            method: body.method,
            host: body.host,
            began_at: body.began_at,
            ended_at: body.ended_at,
            exit_code: body.exit_code,
            bytes: body.bytes,
            command: body.command,
            log: body.log,
        };
        console.report_backup(&subject, report).await
    };
    created(StatusCode::CREATED, reported.await)
}

/// Has a backup made now. It goes on when this answers.
#[utoipa::path(post, path = "/api/v1/backups/now", tag = "backups", request_body = NowBody,
    responses((status = 202, body = RunCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn now(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    read: Result<Json<NowBody>, JsonRejection>,
) -> Response {
    let begun = async {
        console.allow(&subject, Permission::RunBackups)?;
        let body = body(read)?;
        console.begin_backup(&subject, body.method).await
    };
    created(StatusCode::ACCEPTED, begun.await)
}

/// Wants a run ended that goes on.
#[utoipa::path(post, path = "/api/v1/backups/runs/{id}/cancel", tag = "backups", params(("id" = Uuid, Path)),
    responses((status = 202), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub async fn cancel(Asked(console): Asked, SignedIn(subject): SignedIn, Path(id): Path<String>) -> Response {
    match console.cancel_backup(&subject, &id).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) => failure(error),
    }
}
