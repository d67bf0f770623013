//! The console's own Redis: `[redis]`. Without the section a single console keeps everything in memory.

use std::time::Duration;

use redis::{
    IntoConnectionInfo,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Address and limits of the Redis through which replicas share the snapshot, sessions' revocations and rate
/// limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://user:password@host:port/database`, or `unix:///path`.
    pub url: SecretString,
    /// Put before each key and channel, so that two consoles can share a server.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// Longest time to wait for a connection, and again for an answer; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
}

fn default_prefix() -> String {
    "quarterdeck:".to_owned()
}

const fn default_timeout_s() -> f64 {
    1.0
}

impl RedisConfig {
    /// A Redis at this address, with the default prefix and limit.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            prefix: default_prefix(),
            timeout_s: default_timeout_s(),
        }
    }

    /// Longest time to wait for a connection, and again for an answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(1))
    }

    /// A client, not yet connected.
    ///
    /// # Errors
    /// [`RedisConfigError`] when the address or a limit cannot be used.
    pub fn client(&self) -> Result<redis::Client, RedisConfigError> {
        if !(self.timeout_s.is_finite() && (0.05..=60.0).contains(&self.timeout_s)) {
            return Err(RedisConfigError::Timeout);
        }
        let info = self
            .url
            .expose_secret()
            .into_connection_info()
            .map_err(|_| RedisConfigError::Url)?;
        redis::Client::open(info).map_err(|_| RedisConfigError::Url)
    }

    /// A connection that is made, and made again, when it is needed; each use has the time limit.
    ///
    /// # Errors
    /// [`RedisConfigError`] when the address or a limit cannot be used.
    pub fn connection(&self) -> Result<ConnectionManager, RedisConfigError> {
        let limits = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.timeout()))
            .set_response_timeout(Some(self.timeout()))
            .set_number_of_retries(1);
        ConnectionManager::new_lazy_with_config(self.client()?, limits).map_err(|_| RedisConfigError::Url)
    }
}

/// A `[redis]` section that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisConfigError {
    /// An address that cannot be read.
    #[error(
        "[redis] url cannot be read (it is not repeated here, as it may hold a password); write redis://host:port/database"
    )]
    Url,
    /// A time limit that makes no sense.
    #[error("[redis] timeout_s must lie between 0.05 and 60 seconds")]
    Timeout,
}

impl From<RedisConfigError> for redis::RedisError {
    fn from(error: RedisConfigError) -> Self {
        let kind = redis::ErrorKind::InvalidClientConfig;
        Self::from((kind, "[redis] cannot be used", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_kept_quiet() {
        let config = RedisConfig::at("redis://:hunter2@127.0.0.1:6379/2");
        config.client().unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = RedisConfig::at("http://:hunter2@host").client().unwrap_err();
        assert_eq!(error, RedisConfigError::Url);
        let config: RedisConfig = toml::from_str("url = 'redis://h'\ntimeout_s = 0").unwrap();
        assert_eq!(config.client().unwrap_err(), RedisConfigError::Timeout);
    }
}
