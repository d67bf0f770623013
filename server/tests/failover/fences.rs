//! Orders to keep a node from taking writes, as another console finds them.

use std::sync::Arc;

use quarterdeck::{
    clients::{PostgresNode, PrometheusClient, cluster_node::ClusterNode},
    clock::SystemClock,
    config::Config,
    entropy::SystemEntropy,
    services::{
        cluster::WatchedCluster,
        failover::{Failover, FailoverParts},
        notices::Channels,
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::{console::Bridge, deck::eventually, pair::Pair};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_dead_console_left_is_lifted_by_one_that_has_never_seen_it() {
    let pair = Pair::start();
    let configuration = pair.configuration("", "");
    let bridge = Bridge::start(&configuration).await;
    eventually("a look", async || bridge.topology().await["verdict"] == "healthy").await;
    pair.first.kill();
    let plan = bridge
        .plan_that_may(&json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true }))
        .await;
    let id = bridge.agree(&plan).await;
    sqlx::query(
        "insert into quarterdeck.fences (id, node, action_id, new_primary, ordered_at) values (gen_random_uuid(), 'db-1', $1::uuid, 'db-2', now())",
    )
    .bind(&id)
    .execute(&bridge.own)
    .await
    .unwrap();
    // A page that is looked at meanwhile does not claim that it is done.
    eventually("the order on the page", async || {
        let page = bridge.olive.get("/database/topology").await.body;
        page.contains("is to take no writes once db-2 is the primary")
    })
    .await;

    let url = bridge.database().config().url;
    let config = Config::from_toml(&format!(
        "[database]\nurl = '{url}'\n[prometheus]\nurl = 'http://127.0.0.1:9'\n{configuration}"
    ))
    .unwrap();
    let nodes = config.postgres.iter().map(|node| {
        let node = PostgresNode::new(node).unwrap();
        ClusterNode::new(node.connection())
    });
    let fresh = Failover::new(FailoverParts {
        config: config.failover.clone().unwrap(),
        nodes: &config.postgres,
        cluster: Arc::new(WatchedCluster::new(nodes.collect(), Arc::new(SystemClock))),
        prometheus: PrometheusClient::new(&config.prometheus).unwrap(),
        pool: bridge.own.clone(),
        channels: Channels::default(),
        concerned: Vec::new(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    })
    .unwrap();
    fresh.lift_fence_of(id.parse::<Uuid>().unwrap()).await;
    let lifted: Option<String> =
        sqlx::query_scalar("select lifted from quarterdeck.fences where action_id = $1::uuid")
            .bind(&id)
            .fetch_one(&bridge.own)
            .await
            .unwrap();
    assert_eq!(lifted.as_deref(), Some("nothing was promoted"));
}
