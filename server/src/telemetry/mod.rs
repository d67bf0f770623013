//! What the console tells about itself: logs ([`json`]), traces ([`trace`]) and metrics ([`metrics`], of backups
//! [`recoverability`]).

pub mod json;
pub mod metrics;
pub mod recoverability;
pub mod trace;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::log::{LogConfig, LogFormat};

/// Sends logs to standard output, one line an event. `RUST_LOG` overrides the configured filter.
///
/// # Errors
/// When the filter cannot be read, or logs go somewhere already.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        Ok(_) | Err(_) => config.filter.clone(),
    };
    let filter = EnvFilter::try_new(&filter)
        .map_err(|e| anyhow::anyhow!("log.filter (or RUST_LOG) {filter:?} cannot be read: {e}"))?;
    // PostgreSQL says at each start that the schema is there already.
    let filter = filter.add_directive("sqlx::postgres::notice=warn".parse()?);
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Json => {
            let clock = std::sync::Arc::new(crate::clock::SystemClock);
            let layer = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
                .event_format(json::HandbookFormat::new(clock));
            registry.with(layer).try_init()?;
        }
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().compact())
            .try_init()?,
    }
    Ok(())
}
