//! Milliseconds from the request to terminate a backend until the server has it no more.
//!
//! `cargo bench -p quarterdeck --bench terminating -- [SAMPLES]`. Prints a JSON object a line: until `pg_stat_activity` does not
//! have the backend any more, and until the action has ended, which sees for itself that it is gone.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "figures for a program; what fails ends it"
)]

#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/support/clients.rs"]
mod clients;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/actions/console.rs"]
mod console;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/support/database.rs"]
mod database;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/support/deck.rs"]
mod deck;

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::Instant;

use self::{
    console::{Bridge, ask, ended, id, plan, state},
    deck::Browser,
};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(1);

async fn until_gone(eye: &mut PgConnection, application: &str) {
    loop {
        let there: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)")
                .bind(application)
                .fetch_one(&mut *eye)
                .await
                .unwrap();
        if !there {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn sample(bridge: &Bridge, olive: &Browser, eye: &mut PgConnection, number: u32) {
    let application = format!("busy-{number}");
    bridge.client(&application, "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, &application).await;
    let params = json!({ "kind": "terminate_backend", "node": "node", "backend": backend.id.to_string() });
    let body = ask(&plan(olive, &params).await, json!({}));
    let begun = Instant::now();
    let click = async {
        let answer = olive.post_json("/api/v1/actions", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let gone = async {
        until_gone(eye, &application).await;
        begun.elapsed()
    };
    let (action, gone) = tokio::join!(click, gone);
    let action = ended(olive, &id(&action)).await;
    let end = begun.elapsed();
    assert_eq!(state(&action), "succeeded", "{action:#}");
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{}", json!({ "gone_ms": ms(gone), "ended_ms": ms(end) }));
}

#[tokio::main]
async fn main() {
    let samples = std::env::args().filter_map(|word| word.parse().ok()).next();
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    let mut eye = clients::connect(&bridge.watched, "postgres", "the eye")
        .await
        .unwrap();
    for number in 0..samples.unwrap_or(50_u32) {
        sample(&bridge, &olive, &mut eye, number).await;
    }
}
