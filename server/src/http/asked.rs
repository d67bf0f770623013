//! The console as one request asks it.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::state::AppState;
use crate::services::{audit::Origin, console::AskedConsole};

/// The console for a handler: it knows where the request came from and what it asked for, so that a refusal is recorded
/// with both.
#[derive(Debug, Clone)]
pub struct Asked(pub AskedConsole);

impl Asked {
    /// For a request that passed [`authenticate`](super::auth::authenticate).
    #[must_use]
    pub fn by(app: &AppState, parts: &Parts) -> Self {
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        Self(app.console.asked_by(origin, parts.uri.path().to_owned()))
    }
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        Ok(Self::by(app, parts))
    }
}
