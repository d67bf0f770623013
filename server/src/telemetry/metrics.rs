//! The console's own figures, in Prometheus' format: how fast it answers, how old its last poll is, who watches.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::recoverability::Recoverability;

/// Labels of an answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `GET`, `POST`, ….
    pub method: String,
    /// The route as registered, such as `/health/{id}`, so that the number of series is bounded.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
}

/// Labels of an attempt that works or fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    /// What was asked.
    pub source: String,
    /// `success` or `failure`.
    pub outcome: String,
}

type Requests = Family<RequestLabels, Histogram, fn() -> Histogram>;

/// The console's own figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    source_reads: Family<OutcomeLabels, Counter>,
    poll_seconds: Histogram,
    /// Changes of band that could not be stored yet.
    pub transitions_waiting: Gauge,
    /// Events that were pushed.
    pub events_pushed: Counter,
    /// 1 on the replica that polls for all.
    pub leader: Gauge,
    /// Times a viewer was too slow and was sent the whole state.
    pub viewers_lagged: Counter,
    /// When the last poll ended, Unix seconds; 0 before the first.
    pub polled_at: Gauge,
    /// Browsers and programs on the event stream.
    pub viewers: Gauge,
    /// What the last look at backups came to.
    pub recoverability: Arc<Recoverability>,
    pool_connections: Gauge,
    pool_idle: Gauge,
}

/// Buckets that can answer the questions asked of the console: 5 ms, 20 ms, 200 ms, 1 s.
const REQUEST_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];

impl Metrics {
    /// Registers everything once.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let requests = Requests::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("quarterdeck"),
            requests,
            source_reads: Family::default(),
            poll_seconds: Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            transitions_waiting: Gauge::default(),
            events_pushed: Counter::default(),
            leader: Gauge::default(),
            viewers_lagged: Counter::default(),
            polled_at: Gauge::default(),
            viewers: Gauge::default(),
            recoverability: Arc::default(),
            pool_connections: Gauge::default(),
            pool_idle: Gauge::default(),
        };
        let r = &mut metrics.registry;
        r.register(
            "http_request_duration_seconds",
            "Time to answer a request",
            metrics.requests.clone(),
        );
        r.register(
            "source_reads",
            "Requests to sources",
            metrics.source_reads.clone(),
        );
        r.register(
            "poll_duration_seconds",
            "Time that a poll took",
            metrics.poll_seconds.clone(),
        );
        r.register(
            "health_transitions_waiting",
            "Changes of band not stored yet",
            metrics.transitions_waiting.clone(),
        );
        r.register(
            "events_pushed",
            "Events pushed to viewers",
            metrics.events_pushed.clone(),
        );
        r.register(
            "poller_leader",
            "1 on the replica that polls for all",
            metrics.leader.clone(),
        );
        r.register(
            "viewers_lagged",
            "Viewers that were sent the whole state for being slow",
            metrics.viewers_lagged.clone(),
        );
        r.register(
            "last_poll_timestamp_seconds",
            "When the last poll ended, Unix seconds",
            metrics.polled_at.clone(),
        );
        r.register(
            "event_stream_viewers",
            "Viewers on the event stream",
            metrics.viewers.clone(),
        );
        r.register(
            "database_pool_connections",
            "Connections to the console's own database",
            metrics.pool_connections.clone(),
        );
        r.register(
            "database_pool_idle_connections",
            "Those that nobody uses",
            metrics.pool_idle.clone(),
        );
        r.register_collector(Box::new(Arc::clone(&metrics.recoverability)));
        Arc::new(metrics)
    }

    /// Notes an answered request.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = RequestLabels {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Notes that a source was asked.
    pub fn source_read(&self, source: &str, answered: bool) {
        let outcome = if answered { "success" } else { "failure" };
        let labels = OutcomeLabels {
            source: source.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.source_reads.get_or_create(&labels).inc();
    }

    /// Notes a poll.
    pub fn poll(&self, took: Duration, ended_at_s: i64) {
        self.poll_seconds.observe(took.as_secs_f64());
        self.polled_at.set(ended_at_s);
    }

    /// All figures in Prometheus' text format. The pool's are taken now.
    ///
    /// # Errors
    /// [`std::fmt::Error`], which writing into a `String` does not give.
    pub fn encode(&self, pool: &sqlx::PgPool) -> Result<String, std::fmt::Error> {
        self.pool_connections.set(i64::from(pool.size()));
        self.pool_idle
            .set(i64::try_from(pool.num_idle()).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn figures_are_told_in_the_text_format() {
        let metrics = Metrics::new();
        metrics.request("GET", "/health/{id}", 200, Duration::from_millis(3));
        metrics.source_read("prometheus", false);
        let pool = sqlx::postgres::PgPoolOptions::new()
            .connect_lazy("postgres://nobody@127.0.0.1:1/none")
            .unwrap();
        let text = metrics.encode(&pool).unwrap();
        assert!(text.contains("quarterdeck_http_request_duration_seconds_bucket{le=\"0.005\",method=\"GET\",route=\"/health/{id}\",status=\"200\"} 1"), "{text}");
        assert!(
            text.contains("quarterdeck_source_reads_total{source=\"prometheus\",outcome=\"failure\"} 1"),
            "{text}"
        );
        assert!(text.contains("quarterdeck_database_pool_connections 0"), "{text}");
    }
}
