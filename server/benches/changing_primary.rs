//! Seconds until a client's write is acknowledged again when the primary changes: by the console, by hand (`pg_ctl`), by Patroni
//! and by the console that asks Patroni, all on the same machine in turn.
//!
//! `cargo bench -p quarterdeck --bench changing_primary -- [ROUNDS]`. Prints a JSON object a line: what changed the primary,
//! milliseconds from the start of the change to the first write that the new primary acknowledged through the clients'
//! address, and milliseconds of the longest time in which no write was acknowledged. Servers write durably.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "figures for a program; what fails ends it"
)]

#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/support/database.rs"]
mod database;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/support/deck.rs"]
mod deck;

#[path = "changing_primary/client.rs"]
mod client;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/failover/console.rs"]
mod console;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/failover/led.rs"]
mod led;
#[allow(dead_code, unused_imports, reason = "its tests are left out here")]
#[path = "../tests/failover/own_database.rs"]
mod own_database;
#[allow(dead_code, reason = "each binary uses its part of the shared support")]
#[path = "../tests/failover/pair.rs"]
mod pair;

use std::time::Duration;

use quarterdeck_estate::{
    parts::{PATRONI_USER, program},
    process::{RunAs, run_tool},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, postgres::PgConnectOptions};
use tokio::time::Instant;

use self::{client::Client, console::Bridge, led::Led, pair::Pair};

/// The new primary is always the second node.
const SWITCHOVER: &str = "switchover";
const FAILOVER: &str = "failover";

fn params(kind: &str) -> Value {
    if kind == SWITCHOVER {
        json!({ "kind": kind, "candidate": "db-2" })
    } else {
        json!({ "kind": kind, "candidate": "db-2", "accept_loss": true })
    }
}

fn print(kind: &str, by: &str, (first_write, gap): (Duration, Duration)) {
    let figures = json!({
        "kind": kind,
        "by": by,
        "first_write_ms": u64::try_from(first_write.as_millis()).unwrap(),
        "gap_ms": u64::try_from(gap.as_millis()).unwrap(),
    });
    println!("{figures}");
}

/// By the console's own acts, clients through PgBouncer.
async fn by_console(kind: &str) {
    let pair = tokio::task::block_in_place(Pair::start);
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let client = Client::start(&pair.through("app", "app")).await;
    let _ = bridge.plan(&params(kind)).await;
    if kind == FAILOVER {
        pair.first.kill();
    }
    let plan = bridge.plan_that_may(&params(kind)).await;
    let id = bridge.agree(&plan).await;
    let begun = Instant::now();
    bridge.start_agreed(&id).await;
    let figures = client.figures(begun, pair.second.port()).await;
    succeeded(&bridge, &id).await;
    print(kind, "console", figures);
}

async fn succeeded(bridge: &Bridge, id: &str) {
    let action = bridge.ended(id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
}

/// As somebody does it who knows how, without a pause between the commands: PgBouncer holds clients, `pg_ctl` stops and promotes.
async fn by_hand(kind: &str) {
    let pair = tokio::task::block_in_place(Pair::start);
    let client = Client::start(&pair.through("app", "app")).await;
    if kind == FAILOVER {
        pair.first.kill();
    }
    let begun = Instant::now();
    let admin: PgConnectOptions = pair.through("admin", "pgbouncer").parse().unwrap();
    let admin = admin.extra_float_digits(None).disable_statement_logging();
    let mut admin = admin.connect().await.unwrap();
    let mut tell = async |command: &'static str| {
        sqlx::raw_sql(AssertSqlSafe(command))
            .execute(&mut admin)
            .await
            .unwrap();
    };
    if kind == SWITCHOVER {
        tell("PAUSE app").await;
        // A fast stop ends only when the standby has received everything.
        tokio::task::block_in_place(|| pair.first.stop());
    } else {
        tell("KILL app").await;
    }
    let data = pair.second.data_dir();
    let pg_ctl = program("pg_ctl").unwrap();
    let promote = [&*pg_ctl, "promote", "-w", "-D", &*data.to_string_lossy()];
    tokio::task::block_in_place(|| run_tool(&promote, RunAs::Unprivileged, &data)).unwrap();
    let file = pair.directory.path().join("databases.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    let (old, new) = (pair.first.port(), pair.second.port());
    std::fs::write(
        &file,
        text.replace(&format!("port={old}"), &format!("port={new}")),
    )
    .unwrap();
    tell("RELOAD").await;
    tell("RESUME app").await;
    print(kind, "pg_ctl", client.figures(begun, new).await);
}

/// By the console that asks Patroni, clients through HAProxy.
async fn by_console_and_patroni(kind: &str) {
    let led = Led::start("");
    let bridge = led.bridge().await;
    let client = Client::start(&led.cluster.through("app", "app")).await;
    let _ = bridge.plan(&params(kind)).await;
    lose_the_leader(&led, kind).await;
    let plan = bridge.plan_that_may(&params(kind)).await;
    let id = bridge.agree(&plan).await;
    let begun = Instant::now();
    bridge.start_agreed(&id).await;
    let figures = client.figures(begun, led.second().port()).await;
    succeeded(&bridge, &id).await;
    print(kind, "console and Patroni", figures);
}

/// By Patroni alone, asked by its REST API.
async fn by_patroni(kind: &str) {
    let led = Led::start("");
    let client = Client::start(&led.cluster.through("app", "app")).await;
    lose_the_leader(&led, kind).await;
    let body = if kind == SWITCHOVER {
        json!({ "leader": "pg-a", "candidate": "pg-b" })
    } else {
        json!({ "candidate": "pg-b" })
    };
    let begun = Instant::now();
    let answer = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{}/{kind}", led.second().api_port()))
        .basic_auth(PATRONI_USER.0, Some(PATRONI_USER.1))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    print(kind, "Patroni", client.figures(begun, led.second().port()).await);
}

/// Without being asked: from the loss of the leader.
async fn by_patroni_itself() {
    let led = Led::start("");
    let client = Client::start(&led.cluster.through("app", "app")).await;
    let begun = Instant::now();
    tokio::task::block_in_place(|| led.first().kill());
    let figures = client.figures(begun, led.second().port()).await;
    print(FAILOVER, "Patroni by itself", figures);
}

/// For a failover: kills the leader of a paused cluster, and waits until its key has expired.
async fn lose_the_leader(led: &Led, kind: &str) {
    if kind != FAILOVER {
        return;
    }
    tokio::task::block_in_place(|| {
        led.cluster.pause().unwrap();
        led.first().kill();
    });
    deck::eventually("the leader's key to expire", async || {
        let seen = led.patroni(PATRONI_USER.1).cluster().await.unwrap();
        seen.leader().is_none()
    })
    .await;
}

#[tokio::main]
async fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next();
    for _ in 0..rounds.unwrap_or(5_u32) {
        for kind in [SWITCHOVER, FAILOVER] {
            by_console(kind).await;
            by_hand(kind).await;
            by_patroni(kind).await;
            by_console_and_patroni(kind).await;
        }
        by_patroni_itself().await;
    }
}
