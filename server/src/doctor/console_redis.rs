//! Whether the console's Redis serves it.

use redis::aio::MultiplexedConnection;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{Finding, skew};
use crate::{clock::Clock, config::redis::RedisConfig};

const AREA: &str = "Redis";

pub(super) async fn check(config: Option<&RedisConfig>, clock: &dyn Clock) -> Vec<Finding> {
    let Some(config) = config else {
        let seen =
            "there is no [redis] section: one console works without, several do not share what they poll";
        return vec![Finding::ok(AREA, "configured", seen)];
    };
    let mut connection = match connect(config).await {
        Ok(connection) => connection,
        Err(seen) => {
            return vec![Finding::fail(
                AREA,
                "answers",
                seen,
                "Start it, or correct [redis] url; without the section a single console does without.",
            )];
        }
    };
    let before = clock.now();
    let asked: Result<(i64, i64), _> = redis::cmd("TIME").query_async(&mut connection).await;
    let after = clock.now();
    match asked {
        Ok((seconds, microseconds)) => {
            let theirs = OffsetDateTime::from_unix_timestamp(seconds)
                .map(|t| t + time::Duration::microseconds(microseconds))
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            vec![
                Finding::ok(AREA, "answers", "PONG"),
                skew::judge(AREA, theirs, before, after),
            ]
        }
        Err(error) => vec![
            Finding::ok(AREA, "answers", "PONG"),
            Finding::warn(
                AREA,
                "clock",
                error.to_string(),
                "Allow the command TIME to the console's user.",
            ),
        ],
    }
}

/// A connection that answers PING.
async fn connect(config: &RedisConfig) -> Result<MultiplexedConnection, String> {
    let client = config.client().map_err(|error| error.to_string())?;
    let work = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await?;
        Ok::<_, redis::RedisError>(connection)
    };
    match timeout(config.timeout() * 2, work).await {
        // The address is not in these texts; the server's words and the network's are.
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "no answer within {} ms",
            (config.timeout() * 2).as_millis()
        )),
    }
}
