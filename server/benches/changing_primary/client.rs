//! A client that writes one row after the other, and notes when each was acknowledged, and by which server.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row, postgres::PgConnectOptions};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

/// After a failure it tries again so soon.
const AGAIN: Duration = Duration::from_millis(5);
/// Longest time that a change may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A client at work.
pub struct Client {
    acknowledged: mpsc::UnboundedReceiver<(Instant, u16)>,
    task: JoinHandle<()>,
}

impl Client {
    /// Answers when the first hundred rows were acknowledged.
    pub async fn start(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        // PgBouncer refuses that parameter.
        let options = options.extra_float_digits(None).disable_statement_logging();
        let (tell, mut acknowledged) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut connection = None;
            for id in 1_i64.. {
                match write(&options, &mut connection, id).await {
                    Ok(server) => {
                        if tell.send((Instant::now(), server)).is_err() {
                            return;
                        }
                    }
                    Err(_) => {
                        connection = None;
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        });
        for _ in 0..100 {
            acknowledged.recv().await.unwrap();
        }
        Self { acknowledged, task }
    }

    /// From `begun` to the first row that the server on that port acknowledged, and the longest time without a row until then.
    pub async fn figures(mut self, begun: Instant, new: u16) -> (Duration, Duration) {
        let (mut last, mut gap) = (None, Duration::ZERO);
        let first = tokio::time::timeout(LIMIT, async {
            loop {
                let (at, server) = self.acknowledged.recv().await.unwrap();
                if let Some(last) = last {
                    gap = gap.max(at - last);
                }
                last = Some(at);
                if server == new {
                    return at;
                }
            }
        });
        let first = first.await.expect("the new primary takes writes");
        self.task.abort();
        (first - begun, gap)
    }
}

async fn write(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    id: i64,
) -> Result<u16, sqlx::Error> {
    let connection = match connection {
        Some(open) => open,
        None => connection.insert(options.connect().await?),
    };
    let insert = format!("INSERT INTO rows (id) VALUES ({id}) RETURNING inet_server_port()::text AS port");
    let row = sqlx::raw_sql(AssertSqlSafe(insert)).fetch_one(connection).await?;
    let port: String = row.try_get("port")?;
    Ok(port.parse().unwrap_or(0))
}
