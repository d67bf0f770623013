//! Searching, proving and exporting the audit log, on a real PostgreSQL and through a whole console.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a test that cannot set itself up has failed, helpers included; each binary uses its part of the support"
)]

#[path = "support/database.rs"]
mod database;
#[path = "support/deck.rs"]
mod deck;
#[path = "support/events.rs"]
mod events;

#[path = "audit_search/export.rs"]
mod export;
#[path = "audit_search/find.rs"]
mod find;
#[path = "audit_search/proof.rs"]
mod proof;
#[path = "audit_search/written.rs"]
mod written;
