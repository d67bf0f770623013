//! The console's own health, for load balancers and for Prometheus. None of it needs a session.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use quarterdeck_app::view::estate::SourceState;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::state::AppState;

/// `GET /-/healthy`: the process runs and answers.
pub async fn healthy() -> &'static str {
    "Quarterdeck is healthy.\n"
}

/// What `/-/ready` says.
#[derive(Debug, Serialize)]
pub struct Readiness {
    ready: bool,
    /// What is down, and what that takes away.
    down: Vec<Down>,
}

/// One thing that is down.
#[derive(Debug, Serialize)]
struct Down {
    source: String,
    takes_away: String,
}

/// `GET /-/ready`: whether this replica should be sent requests. It should from its first poll on, even with sources
/// down: it then shows what is unknown. It should not once it is stopping.
pub async fn ready(State(app): State<AppState>) -> Response {
    let present = app.hub.present();
    let down = present
        .sources
        .iter()
        .filter(|s| s.state == SourceState::Down)
        .map(|s| Down {
            source: s.name.clone(),
            takes_away: s.note.clone().unwrap_or_default(),
        })
        .collect();
    let ready = present.polled_at_ms.is_some() && !app.stop.is_cancelled();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, down })).into_response()
}

/// `GET /metrics`: the console's own figures in Prometheus' text format. Asks for a bearer token if one is configured.
pub async fn metrics(State(app): State<AppState>, headers: HeaderMap) -> Response {
    if let Some(token) = &app.config.server.metrics_token {
        let sent = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !same(sent, &format!("Bearer {}", token.expose_secret())) {
            let ask = [(header::WWW_AUTHENTICATE, "Bearer")];
            return (
                StatusCode::UNAUTHORIZED,
                ask,
                "This needs the bearer token of server.metrics_token.\n",
            )
                .into_response();
        }
    }
    match app.metrics.encode(&app.pool) {
        Ok(text) => {
            let kind = [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )];
            (kind, text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Compares in a time that does not depend on where they differ: hashes of both are compared.
fn same(a: &str, b: &str) -> bool {
    use sha2::{Digest, Sha256};
    Sha256::digest(a) == Sha256::digest(b)
}
