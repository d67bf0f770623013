//! Switches maintenance mode by a key in Redis.

use std::fmt;

use quarterdeck_domain::maintenance::Mode;
use redis::{AsyncCommands, RedisError, aio::ConnectionManager};

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::config::{
    maintenance::RedisSwitchConfig,
    redis::{RedisConfig, RedisConfigError},
};

/// A key that is there, or has a value, while the mode is on.
pub(super) struct RedisSwitch {
    connection: ConnectionManager,
    key: String,
    on: String,
    off: Option<String>,
    expire_s: Option<u64>,
}

impl fmt::Debug for RedisSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSwitch")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl RedisSwitch {
    /// Prepares a connection that is made when it is needed.
    pub fn new(config: &RedisSwitchConfig) -> Result<Self, RedisConfigError> {
        let connection = RedisConfig {
            url: config.url.clone(),
            prefix: String::new(),
            timeout_s: config.timeout_s,
        };
        Ok(Self {
            connection: connection.connection()?,
            key: config.key.clone(),
            on: config.on.clone(),
            off: config.off.clone(),
            expire_s: config.expire_s,
        })
    }

    async fn value(&self) -> Result<(Option<String>, Option<i64>), RedisError> {
        let mut connection = self.connection.clone();
        let value: Option<String> = connection.get(&self.key).await?;
        let left: i64 = connection.ttl(&self.key).await?;
        Ok((value, (left >= 0).then_some(left)))
    }

    /// The value for on may hold a message, so any value that is not the one for off counts.
    fn mode(&self, value: Option<&str>) -> Mode {
        match (value, self.off.as_deref()) {
            (None, _) => Mode::Off,
            (Some(value), Some(off)) if value == off => Mode::Off,
            (Some(value), _) if value == self.on || self.on.contains('{') => Mode::On,
            (Some(_), _) => Mode::Unknown,
        }
    }

    async fn write(&self, order: Order<'_>) -> Result<(), RedisError> {
        let mut connection = self.connection.clone();
        let off = self.off.as_deref();
        match (order.on, off) {
            (true, _) => match self.expire_s {
                Some(seconds) => connection.set_ex(&self.key, order.fill(&self.on), seconds).await,
                None => connection.set(&self.key, order.fill(&self.on)).await,
            },
            (false, Some(off)) => connection.set(&self.key, off).await,
            (false, None) => connection.del(&self.key).await,
        }
    }
}

impl Driver for RedisSwitch {
    fn describe(&self) -> String {
        format!("the Redis key {}", self.key)
    }

    fn expected_s(&self) -> u32 {
        5
    }

    fn read(&self) -> Work<'_, Vec<Place>> {
        Box::pin(async move {
            let (mode, value) = match self.value().await {
                Ok((value, left)) => {
                    let mode = self.mode(value.as_deref());
                    let left = left
                        .map(|seconds| format!(", goes by itself in {seconds} s"))
                        .unwrap_or_default();
                    let shown =
                        value.map_or_else(|| "not there".to_owned(), |value| format!("“{}”", line(&value)));
                    (mode, format!("{shown}{left}"))
                }
                Err(error) => (
                    Mode::Unknown,
                    format!("Redis does not answer: {}", line(&error.to_string())),
                ),
            };
            vec![Place {
                id: format!("redis key {}", self.key),
                title: format!("Redis key {}", self.key),
                mode,
                value,
            }]
        })
    }

    fn switch<'a>(&'a self, order: Order<'a>) -> Work<'a, Result<String, SwitchError>> {
        Box::pin(async move {
            let written = self.write(order).await;
            let wanted = if order.on { Mode::On } else { Mode::Off };
            match (written, self.value().await) {
                (_, Ok((value, _))) if self.mode(value.as_deref()) == wanted => {
                    let shown =
                        value.map_or_else(|| "gone".to_owned(), |value| format!("“{}”", line(&value)));
                    Ok(format!("The key {} is {shown}.", self.key))
                }
                (Err(error), Ok(_)) => Err(SwitchError::Refused(format!(
                    "Redis refused to write the key {}: {}.",
                    self.key,
                    line(&error.to_string())
                ))),
                (Ok(()), Ok((value, _))) => Err(SwitchError::Refused(format!(
                    "The key {} was written, and somebody else wrote {} into it.",
                    self.key,
                    value.as_deref().map_or_else(|| "nothing".to_owned(), line)
                ))),
                (_, Err(error)) => Err(SwitchError::Unknown(format!(
                    "Redis does not answer: {}.",
                    line(&error.to_string())
                ))),
            }
        })
    }
}
