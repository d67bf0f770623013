//! A client that writes one row after the other through PgBouncer, and knows which were acknowledged.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, postgres::PgConnectOptions};
use tokio::{sync::watch, task::JoinHandle};

/// A writer at work.
pub struct Writer {
    stop: watch::Sender<bool>,
    /// How many were acknowledged.
    pub count: watch::Receiver<usize>,
    task: JoinHandle<Vec<i64>>,
}

impl Writer {
    pub fn start(url: String) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (counted, count) = watch::channel(0);
        let task = tokio::spawn(async move {
            // PgBouncer refuses that parameter.
            let options = url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
            let mut acknowledged = Vec::new();
            let mut next = 1_i64;
            let mut connection = None;
            while !*stopped.borrow() {
                let work = async {
                    let mut open = match connection.take() {
                        Some(open) => open,
                        None => options.connect().await?,
                    };
                    let insert = format!("INSERT INTO rows (id) VALUES ({next})");
                    sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut open).await?;
                    Ok::<_, sqlx::Error>(open)
                };
                let outcome = tokio::select! {
                    outcome = work => outcome,
                    _ = stopped.changed() => break,
                };
                match outcome {
                    Ok(open) => {
                        connection = Some(open);
                        acknowledged.push(next);
                        counted.send_replace(acknowledged.len());
                    }
                    // Whether it is there nobody knows; it was not acknowledged.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
                next += 1;
            }
            acknowledged
        });
        Self { stop, count, task }
    }

    /// Waits until so many more were acknowledged.
    pub async fn wait_for(&mut self, more: usize) {
        let aim = *self.count.borrow() + more;
        let reached = self.count.wait_for(|count| *count >= aim);
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .expect("clients can write")
            .unwrap();
    }

    /// Stops, and answers what was acknowledged.
    pub async fn stop(self) -> Vec<i64> {
        let _ = self.stop.send(true);
        self.task.await.unwrap()
    }
}
