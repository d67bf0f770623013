//! What the console asks: each source has a client of its own. They decide nothing; they ask, bound what they
//! wait for and read, and say what went wrong in words that hold no secret.

pub mod alertmanager;
pub mod alerts;
pub mod backup_programs;
pub mod cluster_node;
pub mod commit_times;
pub mod database_sessions;
pub mod http_source;
pub mod kubernetes;
pub mod mailer;
pub mod maintenance;
pub mod metrics_reader;
pub mod node_connection;
pub mod node_control;
pub mod patroni;
pub mod postgres_node;
pub mod program;
pub mod prometheus;
mod prometheus_answer;
pub mod promql;
pub mod redis_persistence;
pub mod routing;
pub mod scratch_cluster;
pub mod store;
pub mod wal_segment;
pub mod wal_state;
pub mod webhook;
pub mod write_probe;

pub use alertmanager::AlertmanagerClient;
pub use database_sessions::DatabaseSessions;
pub use http_source::SourceError;
pub use metrics_reader::{MetricReading, MetricsReader, PollResult};
pub use postgres_node::PostgresNode;
pub use prometheus::PrometheusClient;

/// Chooses the process' TLS implementation. Does nothing where one is chosen already.
pub fn install_tls_provider() {
    // The error says only that there is one already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
