//! Maintenance mode: its means of switching, on real Redis, real programs and the API server's stand-in, and all of it on
//! a real estate.

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
#[path = "support/smtp.rs"]
mod smtp;

#[path = "maintenance/command.rs"]
mod command;
#[path = "maintenance/console.rs"]
mod console;
#[path = "maintenance/estate.rs"]
mod estate;
#[path = "maintenance/fake_kubernetes.rs"]
mod fake_kubernetes;
#[path = "maintenance/killed.rs"]
mod killed;
#[path = "maintenance/kubernetes.rs"]
mod kubernetes;
#[path = "maintenance/notices.rs"]
mod notices;
#[path = "maintenance/pressed.rs"]
mod pressed;
#[path = "maintenance/redis.rs"]
mod redis;
#[path = "maintenance/refused.rs"]
mod refused;

use quarterdeck::{
    clients::maintenance::{Driver, Order, driver},
    config::maintenance::MaintenanceConfig,
};
use quarterdeck_domain::maintenance::Mode;
use time::macros::datetime;

/// The means that a table of the configuration names.
fn means(table: &str) -> Box<dyn Driver> {
    let text = format!("probes = [{{ name = 'a', url = 'http://127.0.0.1:9/' }}]\n{table}");
    let config: MaintenanceConfig = toml::from_str(&text).unwrap();
    config.check().unwrap();
    driver(&config).unwrap()
}

const ON: Order<'static> = Order {
    on: true,
    message: "Back at {until}, \"friends\"",
    until: Some(datetime!(2026-11-25 03:30 UTC)),
};
const OFF: Order<'static> = Order {
    on: false,
    message: "",
    until: None,
};

/// Mode and value of the one place.
async fn read(means: &dyn Driver) -> (Mode, String) {
    let places = means.read().await;
    assert_eq!(places.len(), 1);
    (places[0].mode, places[0].value.clone())
}
