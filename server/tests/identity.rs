//! Identity on a real PostgreSQL and a real Redis, by way of HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set itself up has failed, helpers included"
)]

#[path = "support/console.rs"]
mod console;
#[path = "support/database.rs"]
mod database;
#[path = "support/proxy.rs"]
mod proxy;

#[path = "identity/accounts.rs"]
mod accounts;
#[path = "identity/cross_site.rs"]
mod cross_site;
#[path = "identity/limits.rs"]
mod limits;
#[path = "identity/outage.rs"]
mod outage;
#[path = "identity/refresh.rs"]
mod refresh;
#[path = "identity/revocation.rs"]
mod revocation;
#[path = "identity/sign_in.rs"]
mod sign_in;
