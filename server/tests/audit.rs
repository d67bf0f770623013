//! The audit log on a real PostgreSQL: that it takes what it should, refuses what it should, and shows what was done to
//! it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed, helpers included"
)]

#[path = "support/database.rs"]
mod database;
#[path = "support/events.rs"]
mod events;

#[path = "audit/append.rs"]
mod append;
#[path = "audit/crash.rs"]
mod crash;
#[path = "audit/export.rs"]
mod export;
#[path = "audit/migrate.rs"]
mod migrate;
#[path = "audit/recorder.rs"]
mod recorder;
#[path = "audit/tampering.rs"]
mod tampering;
