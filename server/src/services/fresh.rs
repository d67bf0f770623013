//! An answer that serves everybody who asks within a second.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// For so long an answer serves whoever else asks.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer. Who asks while another one is being fetched waits for that one: the source is never asked twice at
/// once, however many look.
#[derive(Debug)]
pub struct Fresh<T> {
    last: Mutex<Option<(Instant, T)>>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self {
            last: Mutex::new(None),
        }
    }
}

impl<T: Clone> Fresh<T> {
    /// The last answer if it is at most a second old, else the one that `ask` fetches.
    pub async fn get(&self, ask: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}
