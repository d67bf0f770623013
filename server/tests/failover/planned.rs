//! Switchover: nothing that was acknowledged is lost, and what fails before the promotion is taken back.

use quarterdeck::{config::Config, doctor};
use serde_json::json;

use crate::{
    console::Bridge,
    deck::eventually,
    pair::{self, Pair},
    writer::Writer,
};

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_acknowledged_row_is_lost() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(50).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert_eq!(Bridge::complaints(&plan), ["rejoin: warned"], "{plan}");
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    writer.wait_for(50).await;
    let acknowledged = writer.stop().await;
    let there = pair::rows(&pair.second).await;
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| there.binary_search(id).is_err())
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
    // The old one took nothing that the new one lacks, and takes nothing any more.
    let left = pair::rows(&pair.first).await;
    assert!(left.iter().all(|id| there.binary_search(id).is_ok()));
    let refused = pair
        .first
        .sql("app", "INSERT INTO rows VALUES (-1)")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("read-only"), "{refused}");

    // And back, once the old one is a standby.
    tokio::task::block_in_place(|| pair.rejoin_first());
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-1" }))
        .await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let back = pair::rows(&pair.first).await;
    assert!(there.iter().all(|id| back.binary_search(id).is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn started_by_two_clicks_it_is_done_once() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.agree(&plan).await;
    let path = format!("/api/v1/actions/{id}/start");
    let press = || bridge.olive.post_json(&path, &serde_json::Value::Null);
    let (first, second) = tokio::join!(press(), press());
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", first.body, second.body);
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    assert_eq!(
        bridge.recorded(&id).await,
        [
            "action.requested",
            "action.approved",
            "action.started",
            "action.succeeded"
        ]
    );
    let timeline = "SELECT timeline_id FROM pg_control_checkpoint()";
    pair.second.sql("postgres", "CHECKPOINT").unwrap();
    assert_eq!(
        pair.second.sql("postgres", timeline).unwrap(),
        "2",
        "promoted once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_ends_it_and_clients_go_on() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "patience_s = 2")).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let mut holder = sqlx::postgres::PgConnectOptions::new()
        .host("127.0.0.1")
        .port(pair.pgbouncer_port)
        .username("app")
        .database("app")
        .extra_float_digits(None);
    holder = holder.statement_cache_capacity(0);
    let mut holder = sqlx::ConnectOptions::connect(&holder).await.unwrap();
    sqlx::raw_sql("BEGIN; INSERT INTO rows VALUES (1)")
        .execute(&mut holder)
        .await
        .unwrap();
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    let text = action.to_string();
    assert!(
        text.contains("transactions were still open after 2 s"),
        "{action:#}"
    );
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(5).await;
    writer.stop().await;
    assert_eq!(
        pair.second.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "t"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_does_not_catch_up_ends_it_and_the_primary_writes_again() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "patience_s = 2")).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(5).await;
    let sender = pair
        .first
        .sql("postgres", "SELECT pid FROM pg_stat_replication")
        .unwrap();
    let sender = rustix::process::Pid::from_raw(sender.parse().unwrap()).unwrap();
    let id = bridge.start_action(&plan).await;
    // Between the plan that is made at the start and the step.
    rustix::process::kill_process(sender, rustix::process::Signal::STOP).unwrap();
    let action = bridge.ended(&id).await;
    rustix::process::kill_process(sender, rustix::process::Signal::CONT).unwrap();
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    assert!(action.to_string().contains("still lacked"), "{action:#}");
    assert!(
        action.to_string().contains("db-1 takes writes as before"),
        "{action:#}"
    );
    writer.wait_for(5).await;
    writer.stop().await;
}

/// What goes away in the middle of a switchover, while it waits for the standby.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gone {
    Standby,
    PgBouncer,
    /// Nothing goes away: the operator thinks better of it.
    Wish,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_away_in_the_middle_leaves_a_primary_that_takes_writes() {
    futures::future::join_all([Gone::Standby, Gone::PgBouncer, Gone::Wish].map(gone_in_the_middle)).await;
}

async fn gone_in_the_middle(gone: Gone) {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "patience_s = 15")).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let sender = pair
        .first
        .sql("postgres", "SELECT pid FROM pg_stat_replication")
        .unwrap();
    let sender = rustix::process::Pid::from_raw(sender.parse().unwrap()).unwrap();
    let id = bridge.start_action(&plan).await;
    rustix::process::kill_process(sender, rustix::process::Signal::STOP).unwrap();
    pair.first
        .sql("app", "SELECT pg_logical_emit_message(true, 'test', 'not sent')")
        .unwrap();
    eventually("it to wait for the standby", async || {
        let action = bridge.action(&id).await;
        let steps = action["steps"].as_array().unwrap().clone();
        steps
            .iter()
            .any(|step| step["name"] == "catch_up" && step["state"] == "running")
    })
    .await;
    match gone {
        Gone::Standby => pair.second.kill(),
        Gone::PgBouncer => pair.pgbouncer.kill(),
        Gone::Wish => {
            let stop = bridge
                .olive
                .post_json(&format!("/api/v1/actions/{id}/cancel"), &json!({}))
                .await;
            assert!(stop.status.is_success(), "{}", stop.body);
            rustix::process::kill_process(sender, rustix::process::Signal::CONT).unwrap();
        }
    }
    let action = bridge.ended(&id).await;
    rustix::process::kill_process(sender, rustix::process::Signal::CONT).unwrap();
    let (state, words) = match gone {
        Gone::Wish => (
            "failed",
            "olive stopped it before this step. db-1 takes writes as before. PgBouncer lets clients go on.",
        ),
        Gone::Standby => (
            "failed",
            "db-1 takes writes as before. PgBouncer lets clients go on.",
        ),
        Gone::PgBouncer => (
            "outcome_unknown",
            "let them go on by hand (RESUME). Nothing was promoted.",
        ),
    };
    assert_eq!(action["line"]["state"], state, "{gone:?}: {action:#}");
    assert!(action.to_string().contains(words), "{gone:?}: {action:#}");
    pair.first.sql("app", "INSERT INTO rows VALUES (1)").unwrap();
    if gone != Gone::PgBouncer {
        let mut writer = Writer::start(pair.through("app", "app"));
        writer.wait_for(3).await;
        writer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_the_statement_that_mends_it() {
    let pair = Pair::start();
    pair.first
        .sql("postgres", "REVOKE pg_checkpoint FROM control")
        .unwrap();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert!(
        plan.to_string().contains("GRANT pg_checkpoint TO control"),
        "{plan:#}"
    );
    pair.first
        .sql("postgres", "GRANT pg_checkpoint TO control")
        .unwrap();
    let config = Config::from_toml(&format!(
        "[prometheus]\nurl = 'http://127.0.0.1:9'\n{}",
        pair.configuration("", "")
    ))
    .unwrap();
    let report = async || doctor::run(&config).await.to_string();
    let sound = report().await;
    assert!(
        sound.contains("a row was written and read, by 127.0.0.1"),
        "{sound}"
    );
    assert!(
        sound.contains("db-2: control") && !sound.contains("GRANT pg_checkpoint"),
        "{sound}"
    );
    pair.first
        .sql("postgres", "REVOKE pg_checkpoint FROM control")
        .unwrap();
    pair.pgbouncer.kill();
    let broken = report().await;
    assert!(
        broken.contains("GRANT pg_checkpoint TO control") && broken.contains("cannot be reached"),
        "{broken}"
    );
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    assert!(
        Bridge::complaints(&plan).contains(&"repoint: refused".to_owned()),
        "{plan:#}"
    );
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-1" }))
        .await;
    assert!(
        Bridge::complaints(&plan).contains(&"primary_healthy: refused".to_owned()),
        "{plan:#}"
    );
    let plan = bridge
        .plan(&json!({ "kind": "switchover", "candidate": "db-9" }))
        .await;
    assert!(plan.to_string().contains("db-9 is not configured"), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_that_makes_the_old_primary_a_standby_is_told_of_the_new_one() {
    let pair = Pair::start();
    let rejoin =
        "rejoin = ['sh', '-c', 'echo \"told of $*\" >&2; exit 3', 'sh', '{primary}', '{host}', '{port}']";
    let bridge = Bridge::start(&pair.configuration(rejoin, "")).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    let said = format!("told of db-2 127.0.0.1 {}", pair.second.port());
    assert!(action.to_string().contains(&said), "{action:#}");
}
