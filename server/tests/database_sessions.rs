//! Sessions of a watched PostgreSQL: read, judged, and ended or left alone, on real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed, helpers included"
)]

#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/clients.rs"]
mod clients;

#[path = "database_sessions/protected.rs"]
mod protected;
#[path = "database_sessions/reading.rs"]
mod reading;
#[path = "database_sessions/signalling.rs"]
mod signalling;
