//! Guarded actions as a whole console does them, on a real PostgreSQL whose sessions are the ones acted on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "support/clients.rs"]
mod clients;
#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/database.rs"]
mod database;
#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "support/deck.rs"]
mod deck;
#[path = "support/smtp.rs"]
mod smtp;

#[path = "actions/consent.rs"]
mod consent;
#[path = "actions/console.rs"]
mod console;
#[path = "actions/email.rs"]
mod email;
#[path = "actions/forms.rs"]
mod forms;
#[path = "actions/interrupted.rs"]
mod interrupted;
#[path = "actions/messages.rs"]
mod messages;
#[path = "actions/policy.rs"]
mod policy;
#[path = "actions/sessions.rs"]
mod sessions;
