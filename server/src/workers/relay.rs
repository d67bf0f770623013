//! Carries the snapshot from the replica that polls to all others, through Redis.
//!
//! A publish is one round trip: the snapshot is stored under a key that expires, for replicas that start later, and
//! announced on a channel. Redis keeps nothing of value: what is lost is replaced by the next poll.

use std::time::Duration;

use futures::StreamExt;
use quarterdeck_app::view::health::OverviewView;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::redis::RedisConfig;

/// How long the last snapshot may be taken for the present one, seconds.
const KEEP_S: u64 = 60;

/// Why a snapshot was not published.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Redis does not answer, or answers with an error.
    #[error(
        "the snapshot could not be published through Redis; other replicas poll for themselves until it can"
    )]
    Redis(#[from] redis::RedisError),
    /// A view could not be encoded.
    #[error("the snapshot could not be encoded")]
    Encode(#[from] serde_json::Error),
}

/// The publishing side.
#[derive(Clone)]
pub struct Relay {
    connection: ConnectionManager,
    key: String,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Prepares a connection that is made, and made again, when it is needed.
    ///
    /// # Errors
    /// [`redis::RedisError`] when the address cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, redis::RedisError> {
        let client = config.client().map_err(|e| {
            redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "redis.url", e.to_string()))
        })?;
        let limits = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.timeout()))
            .set_response_timeout(Some(config.timeout()))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, limits)?;
        Ok(Self {
            connection,
            key: format!("{}overview", config.prefix),
        })
    }

    /// Stores and announces a snapshot.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn publish(&self, view: &OverviewView) -> Result<(), RelayError> {
        let text = serde_json::to_string(view)?;
        let mut pipe = redis::pipe();
        pipe.set_ex(&self.key, &text, KEEP_S)
            .ignore()
            .publish(&self.key, &text)
            .ignore();
        pipe.query_async::<()>(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`redis::RedisError`].
    pub async fn ping(&self) -> Result<(), redis::RedisError> {
        redis::cmd("PING")
            .query_async::<()>(&mut self.connection.clone())
            .await
    }
}

/// The listening side: hands over each snapshot that another replica publishes, and tells whether it is connected.
/// Ends when `stop` is cancelled.
pub async fn listen(
    config: RedisConfig,
    snapshots: mpsc::Sender<OverviewView>,
    connected: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut pause = Duration::from_millis(250);
    while !stop.is_cancelled() {
        let session = tokio::select! {
            result = follow(&config, &snapshots, &connected) => result,
            () = stop.cancelled() => return,
        };
        let was_connected = connected.send_replace(false);
        if was_connected {
            pause = Duration::from_millis(250);
        }
        if let Err(error) = session {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "not listening to Redis; trying again"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

async fn follow(
    config: &RedisConfig,
    snapshots: &mpsc::Sender<OverviewView>,
    connected: &watch::Sender<bool>,
) -> Result<(), redis::RedisError> {
    let client = config.client().map_err(|e| {
        redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "redis.url", e.to_string()))
    })?;
    let key = format!("{}overview", config.prefix);
    let timed_out = |_| redis::RedisError::from((redis::ErrorKind::Io, "Redis did not answer in time"));
    let mut pubsub = tokio::time::timeout(config.timeout(), client.get_async_pubsub())
        .await
        .map_err(timed_out)??;
    tokio::time::timeout(config.timeout(), pubsub.subscribe(&key))
        .await
        .map_err(timed_out)??;
    connected.send_replace(true);
    let mut messages = pubsub.on_message();
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        match serde_json::from_str(&text) {
            Ok(view) => {
                if snapshots.send(view).await.is_err() {
                    return Ok(());
                }
            }
            // A replica of another version, during an update: its snapshots are skipped, this one polls for itself.
            Err(error) => tracing::debug!(%error, "a snapshot of another version was skipped"),
        }
    }
    Ok(())
}

/// The last snapshot that was published, if it is not older than a minute: what a starting replica shows first.
///
/// # Errors
/// [`redis::RedisError`].
pub async fn last_published(relay: &Relay) -> Result<Option<OverviewView>, redis::RedisError> {
    let text: Option<String> = redis::cmd("GET")
        .arg(&relay.key)
        .query_async(&mut relay.connection.clone())
        .await?;
    Ok(text.and_then(|t| serde_json::from_str(&t).ok()))
}
