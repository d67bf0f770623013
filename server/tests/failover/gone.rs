//! Failover: the primary is dead, frozen, or only seems to be.

use serde_json::json;

use crate::{
    console::Bridge,
    deck::eventually,
    pair::{self, Pair},
    writer::Writer,
};

fn started() -> Pair {
    tokio::task::block_in_place(Pair::start)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_killed_is_replaced_and_clients_write_again() {
    let pair = started();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": false });
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(50).await;
    let plan = bridge.plan(&params).await;
    assert!(
        Bridge::complaints(&plan).contains(&"primary_unreachable: refused".to_owned()),
        "a healthy primary: {plan:#}"
    );
    pair.first.kill();
    // Without metrics two of three vantages remain, and without a program the fence waits for the return.
    let plan = bridge.plan_that_may(&params).await;
    assert_eq!(
        Bridge::complaints(&plan),
        ["primary_unreachable: warned", "fence: warned"],
        "{plan:#}"
    );
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    writer.wait_for(50).await;
    writer.stop().await;
    assert_eq!(
        pair.second.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "f"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_sender_kept_back_is_predicted_and_has_to_be_accepted() {
    let pair = started();
    let bridge = Bridge::start(&pair.configuration("", "max_loss_bytes = 0\nmax_loss_s = 0")).await;
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(50).await;
    let sender = pair
        .first
        .sql("postgres", "SELECT pid FROM pg_stat_replication")
        .unwrap();
    let sender = rustix::process::Pid::from_raw(sender.parse().unwrap()).unwrap();
    rustix::process::kill_process(sender, rustix::process::Signal::STOP).unwrap();
    writer.wait_for(200).await;
    // The console has to have seen how far the primary came.
    let flushed = pair
        .first
        .sql("postgres", "SELECT pg_current_wal_flush_lsn()")
        .unwrap();
    eventually("a look at the primary", async || {
        let text = bridge.olive.get("/api/v1/database/topology").await.body;
        let view: serde_json::Value = serde_json::from_str(&text).unwrap();
        let seen = view["nodes"][0]["state"]["part"]["flushed"]
            .as_str()
            .unwrap_or("0/0")
            .to_owned();
        let bytes = |text: &str| text.parse::<quarterdeck_domain::cluster::Lsn>().unwrap();
        bytes(&seen) >= bytes(&flushed)
    })
    .await;
    pair.first.kill();
    let _ = rustix::process::kill_process(sender, rustix::process::Signal::KILL);
    let acknowledged = writer.stop().await;
    let refused = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": false });
    let mut plan = serde_json::Value::Null;
    eventually("the loss alone to refuse it", async || {
        plan = bridge.plan(&refused).await;
        let complaints = Bridge::complaints(&plan);
        complaints
            .iter()
            .filter(|complaint| complaint.ends_with("refused"))
            .eq(["loss: refused"])
    })
    .await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true }))
        .await;
    let facts = plan["plan"]["targets"].to_string();
    assert!(facts.contains("bytes of WAL, the last"), "{plan:#}");
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let there = pair::rows(&pair.second).await;
    let lost = acknowledged
        .iter()
        .filter(|id| there.binary_search(id).is_err())
        .count();
    assert!(lost > 0, "the sender was frozen: something has to be missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_cannot_be_promoted_leaves_everything_as_it_was() {
    let pair = started();
    let bridge = Bridge::start(&pair.configuration(
        "fence = ['sh', '-c', 'echo the power switch does not answer >&2; exit 1']",
        "",
    ))
    .await;
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    eventually("a look", async || {
        !bridge
            .olive
            .get("/api/v1/database/topology")
            .await
            .body
            .is_empty()
    })
    .await;
    pair.first.kill();
    let plan = bridge.plan_that_may(&params).await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    let text = action.to_string();
    assert!(
        text.contains("the power switch does not answer") && text.contains("lets clients go on"),
        "{action:#}"
    );
    assert_eq!(
        pair.second.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "t"
    );
    tokio::task::block_in_place(|| pair.first.restart()).unwrap();
    let mut writer = Writer::start(pair.through("app", "app"));
    writer.wait_for(5).await;
    writer.stop().await;
}
