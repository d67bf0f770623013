//! Sessions of a watched PostgreSQL: read, judged, and ended or left alone, on real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed, helpers included"
)]

#[path = "support/clients.rs"]
mod clients;

#[path = "database_sessions/protected.rs"]
mod protected;
#[path = "database_sessions/reading.rs"]
mod reading;
#[path = "database_sessions/signalling.rs"]
mod signalling;
