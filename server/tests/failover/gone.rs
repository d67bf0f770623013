//! Failover: the primary is dead, frozen, or only seems to be.

use serde_json::json;

use crate::{
    console::Bridge,
    deck::eventually,
    lying_prometheus::{LyingPrometheus, Mood},
    pair::{self, Pair},
    writer::Writer,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_killed_is_replaced_and_clients_write_again() {
    let pair = Pair::start();
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
    let pair = Pair::start();
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
        let seen = bridge.topology().await["nodes"][0]["state"]["part"]["flushed"]
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
    bridge.plan_refused_by(&refused, &["loss"]).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true }))
        .await;
    let facts = plan["plan"]["targets"].to_string();
    assert!(facts.contains("bytes of WAL, the last"), "{plan:#}");
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let there = pair::rows(&pair.second).await;
    let lost = missing(&acknowledged, &there);
    assert!(lost > 0, "the sender was frozen: something has to be missing");

    // It comes back, and takes no writes; what only it has is counted.
    tokio::task::block_in_place(|| pair.first.restart()).unwrap();
    let only_there = missing(&pair::rows(&pair.first).await, &there);
    assert!(only_there >= lost);
    let mut fence = serde_json::Value::Null;
    eventually("the fence, and the measure", async || {
        fence = bridge.topology().await["fences"][0].clone();
        !fence["lost_transactions"].is_null()
    })
    .await;
    assert_eq!(fence["lost_transactions"], only_there, "{fence:#}");
    assert!(!fence["enforced_at_ms"].is_null(), "{fence:#}");
    let refused = pair
        .first
        .sql("app", "INSERT INTO rows VALUES (-1)")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("read-only"), "{refused}");
    // Two primaries, and one of them is kept from writing.
    eventually("no split brain", async || {
        bridge.topology().await["verdict"] == "degraded"
    })
    .await;

    // Once it is a standby nothing has to be kept from it.
    tokio::task::block_in_place(|| pair.rejoin_first());
    eventually("the fence to be lifted", async || {
        bridge.topology().await["fences"].as_array().unwrap().is_empty()
    })
    .await;
    let recorded = bridge.recorded(&id).await;
    let of_cluster: Vec<_> = recorded
        .iter()
        .filter(|action| action.starts_with("cluster."))
        .collect();
    assert_eq!(
        of_cluster,
        [
            "cluster.node_fenced",
            "cluster.loss_measured",
            "cluster.fence_lifted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_exporter_neither_permits_nor_prevents() {
    let pair = Pair::start();
    // The liar understands what bears this mark.
    const UP: &str = "exporter_up = 'label_replace(pg_up, \"quarterdeck_metric\", \"pg_up\", \"\", \"\")'";
    let prometheus = tokio::task::block_in_place(LyingPrometheus::start);
    let bridge = Bridge::asking(&prometheus.url(), &pair.configuration(UP, "")).await;
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    // It says that a healthy primary is down.
    prometheus.set_mood(Mood::Says("0"));
    let plan = bridge.plan(&params).await;
    assert!(
        Bridge::complaints(&plan).contains(&"primary_unreachable: refused".to_owned()),
        "{plan:#}"
    );
    assert!(plan.to_string().contains("The console reaches db-1"), "{plan:#}");
    // It says that a dead one is up.
    prometheus.set_mood(Mood::Says("1"));
    pair.first.kill();
    let plan = bridge.plan_that_may(&params).await;
    assert!(
        plan.to_string().contains("its exporter says that it is up"),
        "{plan:#}"
    );
    assert!(
        Bridge::complaints(&plan).contains(&"primary_unreachable: warned".to_owned()),
        "{plan:#}"
    );
    // It says the truth.
    prometheus.set_mood(Mood::Says("0"));
    let plan = bridge.plan(&params).await;
    assert!(plan.to_string().contains("3 of 3 vantages"), "{plan:#}");
    tokio::task::block_in_place(|| drop(prometheus));
}

/// How many of `rows` are not `there`.
fn missing(rows: &[i64], there: &[i64]) -> usize {
    rows.iter().filter(|id| there.binary_search(id).is_err()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_cannot_be_promoted_leaves_everything_as_it_was() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration(
        "fence = ['sh', '-c', 'echo \"the power switch does not answer; $*\" >&2; exit 1', 'sh', '{primary}', '{host}', '{port}']",
        "",
    ))
    .await;
    let params = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    eventually("a look", async || bridge.topology().await["verdict"] == "healthy").await;
    pair.first.kill();
    let plan = bridge.plan_that_may(&params).await;
    let id = bridge.start_action(&plan).await;
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "failed", "{action:#}");
    let text = action.to_string();
    // The program was told who takes the node's place.
    let said = format!(
        "the power switch does not answer; db-2 127.0.0.1 {}",
        pair.second.port()
    );
    assert!(
        text.contains(&said) && text.contains("lets clients go on"),
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
