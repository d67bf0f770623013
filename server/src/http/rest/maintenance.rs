//! `/api/v1/maintenance`: whether maintenance mode is on. It is switched by actions.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use quarterdeck_app::{error::ConsoleError, ports::Console, view::maintenance::MaintenanceView};

use super::{super::problem::Problem, failure};
use crate::http::{asked::Asked, auth::SignedIn};

/// Maintenance mode: whether it is on, who switched it, until when, and what is seen from outside.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "health",
    responses((status = 200, body = MaintenanceView, description = "As of the last look"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem, description = "It is not configured")))]
pub async fn maintenance(Asked(console): Asked, SignedIn(subject): SignedIn) -> Response {
    match console.maintenance(&subject) {
        Ok(Some(view)) => Json(view).into_response(),
        Ok(None) => failure(ConsoleError::NotFound(
            "How maintenance mode is switched and seen is not configured here; see [maintenance] in the example configuration."
                .to_owned(),
        )),
        Err(error) => failure(error),
    }
}
