//! Live health as a whole console shows it, on real PostgreSQL, Redis and Prometheus.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/database.rs"]
mod database;
#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/deck.rs"]
mod deck;
#[path = "support/exporter.rs"]
mod exporter;
#[path = "support/proxy.rs"]
mod proxy;

#[path = "health/database_page.rs"]
mod database_page;
#[path = "health/doors.rs"]
mod doors;
#[path = "health/refusals.rs"]
mod refusals;
#[path = "health/replicas.rs"]
mod replicas;
#[path = "health/sources.rs"]
mod sources;
#[path = "health/stream.rs"]
mod stream;
#[path = "health/watched.rs"]
mod watched;
