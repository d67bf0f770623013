//! Commits that would wait in vain for a synchronous standby.

use serde_json::json;

use crate::{console::Bridge, deck::eventually, pair::Pair};

const RELOAD: &str = "SELECT pg_reload_conf()";

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_waited_for_and_not_there_is_found_and_refuses_a_switchover() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    pair.first
        .sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        .unwrap();
    pair.first.sql("postgres", RELOAD).unwrap();
    let params = json!({ "kind": "switchover", "candidate": "db-2" });
    bridge.plan_refused_by(&params, &["commits"]).await;
    // What it shows may be a second old.
    eventually("the topology to name it", async || {
        let topology = bridge.topology().await;
        topology["verdict"] == "degraded" && topology["why"].to_string().contains("Commits on db-1 hang")
    })
    .await;
    pair.first
        .sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
        .unwrap();
    pair.first.sql("postgres", RELOAD).unwrap();
    eventually("commits to come through", async || {
        bridge.topology().await["verdict"] == "healthy"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_nobody_would_follow_is_refused_until_it_waits_for_nobody() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    pair.second
        .sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        .unwrap();
    pair.second.sql("postgres", RELOAD).unwrap();
    let switchover = json!({ "kind": "switchover", "candidate": "db-2" });
    let plan = bridge.plan_refused_by(&switchover, &["synchronous"]).await;
    let text = plan.to_string();
    let (_, said) = text.split_once("all writes would hang. Run ").unwrap();
    let (alter, said) = said.split_once("; ").unwrap();
    let (reload, _) = said.split_once(" on db-2").unwrap();
    pair.first.kill();
    let failover = json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true });
    bridge.plan_refused_by(&failover, &["synchronous"]).await;
    pair.second.sql("postgres", alter).unwrap();
    pair.second.sql("postgres", reload).unwrap();
    bridge.plan_that_may(&failover).await;
}
