//! Backups of a real PostgreSQL and a real Redis: made, damaged, read again, and what comes of it when things break in the middle.

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
#[expect(dead_code, reason = "each test binary uses its part of the shared support")]
#[path = "api_tokens/makes.rs"]
mod makes;

#[path = "backups/broken.rs"]
mod broken;
#[path = "backups/damaged.rs"]
mod damaged;
#[path = "backups/fake_s3.rs"]
mod fake_s3;
#[path = "backups/house.rs"]
mod house;
#[path = "backups/made.rs"]
mod made;
#[path = "backups/recovered.rs"]
mod recovered;
#[path = "backups/scheduled.rs"]
mod scheduled;
#[path = "backups/shown.rs"]
mod shown;
#[path = "backups/stores.rs"]
mod stores;
#[path = "backups/told.rs"]
mod told;
