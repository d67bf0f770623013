//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::auth::AuthState;
use crate::{
    clock::Clock,
    config::Config,
    entropy::Entropy,
    services::{console::ConsoleService, health::hub::Hub, identity::Identity},
    telemetry::metrics::Metrics,
};

/// What handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// What pages and the REST API ask.
    pub console: Arc<ConsoleService>,
    /// This replica's state.
    pub hub: Arc<Hub>,
    /// What the middlewares of identity share.
    pub auth: AuthState,
    /// Accounts and sessions.
    pub identity: Arc<Identity>,
    /// The console's own database.
    pub pool: PgPool,
    /// The console's own figures.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// How pages find their scripts and styles.
    pub leptos: LeptosOptions,
    /// Where the style sheet is: a path of this site.
    pub stylesheet: Arc<str>,
    /// Cancelled when the console stops: event streams end then.
    pub stop: CancellationToken,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

impl FromRef<AppState> for AuthState {
    fn from_ref(state: &AppState) -> Self {
        state.auth.clone()
    }
}
