//! API tokens through a whole console: made by a form, used on every door, and ended in every way.
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

#[path = "api_tokens/doors.rs"]
mod doors;
#[path = "api_tokens/ends.rs"]
mod ends;
#[path = "api_tokens/made.rs"]
mod made;
#[path = "api_tokens/makes.rs"]
mod makes;
