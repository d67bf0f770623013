//! What a Redis says of how it keeps its data: `INFO persistence`.

use std::time::Duration;

use redis::{Client, InfoDict};
use secrecy::{ExposeSecret, SecretString};

/// Longest time to wait for a connection, and again for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a Redis keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisPersistence {
    /// Whether it writes an append-only file.
    pub aof_enabled: bool,
    /// Whether the last write to it, and the last rewrite of it, succeeded.
    pub aof_ok: bool,
    /// Whether the last snapshot succeeded.
    pub rdb_ok: bool,
    /// Whether it is still loading what it kept.
    pub loading: bool,
}

/// Asks the Redis at an address.
///
/// # Errors
/// Why it can't be asked, in words without a password.
pub async fn ask(url: &SecretString) -> Result<RedisPersistence, String> {
    let client = Client::open(url.expose_secret()).map_err(|_| "its address can't be read".to_owned())?;
    let asked = async {
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .map_err(|error| said(&error))?;
        redis::cmd("INFO")
            .arg("persistence")
            .query_async::<InfoDict>(&mut connection)
            .await
            .map_err(|error| said(&error))
    };
    let info = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| format!("it does not answer within {} s", PATIENCE.as_secs()))??;
    Ok(read(&info))
}

fn read(info: &InfoDict) -> RedisPersistence {
    let is = |name: &str, value: &str| info.get::<String>(name).is_some_and(|found| found == value);
    RedisPersistence {
        aof_enabled: is("aof_enabled", "1"),
        aof_ok: is("aof_last_write_status", "ok") && is("aof_last_bgrewrite_status", "ok"),
        rdb_ok: is("rdb_last_bgsave_status", "ok"),
        loading: is("loading", "1"),
    }
}

fn said(error: &redis::RedisError) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.category().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_read() {
        let info = |aof: &str| {
            read(&InfoDict::new(&format!(
                "# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:1\r\naof_last_bgrewrite_status:ok\r\naof_last_write_status:{aof}\r\n"
            )))
        };
        let well = RedisPersistence {
            aof_enabled: true,
            aof_ok: true,
            rdb_ok: true,
            loading: false,
        };
        assert_eq!(info("ok"), well);
        assert_eq!(
            info("err"),
            RedisPersistence {
                aof_ok: false,
                ..well
            }
        );
    }
}
