//! Carries the snapshot from the replica that polls to all others, through Redis.
//!
//! A publish is one round trip: the snapshot is stored under a key that expires, for replicas that start later, and
//! announced on a channel. Redis keeps nothing of value: what is lost is replaced by the next poll.

use std::time::Duration;

use futures::StreamExt;
use quarterdeck_app::view::health::OverviewView;
use redis::aio::ConnectionManager;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::redis::{RedisConfig, RedisConfigError};

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
    /// [`RedisConfigError`] when the address or a limit cannot be used.
    pub fn new(config: &RedisConfig) -> Result<Self, RedisConfigError> {
        Ok(Self {
            connection: config.connection()?,
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

/// The listening side: hands over each snapshot that another replica publishes. Ends when `stop` is cancelled.
pub async fn listen(config: RedisConfig, snapshots: mpsc::Sender<OverviewView>, stop: CancellationToken) {
    const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
    let mut pause = SHORTEST_PAUSE;
    while !stop.is_cancelled() {
        let mut connected = false;
        let session = tokio::select! {
            result = follow(&config, &snapshots, &mut connected) => result,
            () = stop.cancelled() => return,
        };
        if connected {
            pause = SHORTEST_PAUSE;
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
    connected: &mut bool,
) -> Result<(), redis::RedisError> {
    let client = config.client()?;
    let key = format!("{}overview", config.prefix);
    let timed_out = |_| redis::RedisError::from((redis::ErrorKind::Io, "Redis did not answer in time"));
    let mut pubsub = tokio::time::timeout(config.timeout(), client.get_async_pubsub())
        .await
        .map_err(timed_out)??;
    tokio::time::timeout(config.timeout(), pubsub.subscribe(&key))
        .await
        .map_err(timed_out)??;
    *connected = true;
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
