//! What is accepted to be lost holds on every console, though each estimates by what it has seen itself.

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    console::Bridge,
    deck::{Deck, eventually},
    pair::Pair,
};

/// Two consoles of one installation: one that sees the primary to its end, and one whose role was locked out of it before.
struct Consoles {
    bridge: Bridge,
    blind: Deck,
}

/// The place up to which a console has seen the first node.
async fn seen(browser: &crate::deck::Browser) -> String {
    let body = browser.get("/api/v1/database/topology").await.body;
    let topology: Value = serde_json::from_str(&body).unwrap();
    topology["nodes"][0]["state"]["part"]["flushed"].to_string()
}

impl Consoles {
    /// The second one has seen next to nothing of `megabytes` that the standby has not received.
    async fn before_a_dead_primary(pair: &Pair, megabytes: u32) -> Self {
        pair.first
            .sql("postgres", "CREATE ROLE locked LOGIN IN ROLE pg_monitor")
            .unwrap();
        let limits = "max_loss_bytes = 0\nmax_loss_s = 0";
        let configuration = pair.configuration("", limits);
        let bridge = Bridge::start(&configuration).await;
        let other = configuration.replace("postgres://monitor@", "postgres://locked@");
        let url = bridge.database().config().url;
        let blind = Bridge::console(url, "http://127.0.0.1:9", &other).await;
        let browser = blind.signed_in("olive").await;
        eventually("both to have seen it", async || {
            seen(&bridge.olive).await != "null" && seen(&browser).await != "null"
        })
        .await;
        let sender = pair
            .first
            .sql("postgres", "SELECT pid FROM pg_stat_replication")
            .unwrap();
        let sender = Pid::from_raw(sender.parse().unwrap()).unwrap();
        kill_process(sender, Signal::STOP).unwrap();
        pair.first
            .sql(
                "postgres",
                "ALTER ROLE locked NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'locked'",
            )
            .unwrap();
        eventually("the second one to be locked out", async || {
            seen(&browser).await == "null"
        })
        .await;
        pair.first
            .sql(
                "app",
                &format!(
                    "SELECT pg_logical_emit_message(true, 'test', repeat('x', {megabytes} * 1024 * 1024))"
                ),
            )
            .unwrap();
        let flushed = pair
            .first
            .sql("postgres", "SELECT pg_current_wal_flush_lsn()")
            .unwrap();
        eventually("the first one to have seen it all", async || {
            let lsn = |text: &str| {
                text.trim_matches('"')
                    .parse::<quarterdeck_domain::cluster::Lsn>()
                    .unwrap()
            };
            lsn(&seen(&bridge.olive).await) >= lsn(&flushed)
        })
        .await;
        pair.first.kill();
        let _ = kill_process(sender, Signal::KILL);
        Self { bridge, blind }
    }
}

const FAILOVER: &str = r#"{ "kind": "failover", "candidate": "db-2", "accept_loss": true }"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_on_one_console_is_done_on_another() {
    let pair = Pair::start();
    let Consoles { bridge, blind } = Consoles::before_a_dead_primary(&pair, 8).await;
    let plan = bridge
        .plan_that_may(&serde_json::from_str(FAILOVER).unwrap())
        .await;
    let accepted = &plan["plan"]["params"]["at_most"]["bytes"];
    assert!(accepted.as_u64().unwrap() > 8 * 1024 * 1024, "{plan:#}");
    // The other one, which has seen less, is shown another estimate and the same plan to agree to.
    let olive = blind.signed_in("olive").await;
    let body = json!({ "params": plan["plan"]["params"] });
    let there = olive.post_json("/api/v1/actions/plan", &body).await;
    let there: Value = serde_json::from_str(&there.body).unwrap();
    assert_eq!(there["plan"]["digest"], plan["plan"]["digest"], "{there:#}");
    let loss = |plan: &Value| {
        let gates = plan["plan"]["gates"].as_array().unwrap();
        let loss = gates.iter().find(|gate| gate["name"] == "loss").unwrap();
        loss["figure"].to_string()
    };
    assert_ne!(loss(&there), loss(&plan));

    let id = bridge.agree(&plan).await;
    let started = olive
        .post_json(&format!("/api/v1/actions/{id}/start"), &json!({}))
        .await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.body);
    let action = bridge.ended(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    let figure = format!("accepted was at most {accepted} bytes of WAL");
    assert!(action["steps"].to_string().contains(&figure), "{action:#}");
    let recorded: Vec<String> = sqlx::query_scalar(
        "select canonical::json #>> '{detail,accepted_loss}' from quarterdeck.audit_events
         where object_kind = 'action' and object_id = $1 and action like 'action.%'",
    )
    .bind(&id)
    .fetch_all(&bridge.own)
    .await
    .unwrap();
    let figure = format!("at most {accepted} bytes of WAL");
    assert!(
        recorded.iter().all(|line| line.starts_with(&figure)),
        "{recorded:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_knows_of_a_greater_loss_does_not_begin() {
    let pair = Pair::start();
    let Consoles { bridge, blind } = Consoles::before_a_dead_primary(&pair, 64).await;
    let olive = blind.signed_in("olive").await;
    let body = json!({ "params": serde_json::from_str::<Value>(FAILOVER).unwrap() });
    let plan = olive.post_json("/api/v1/actions/plan", &body).await;
    let plan: Value = serde_json::from_str(&plan.body).unwrap();
    assert!(
        Bridge::complaints(&plan).contains(&"loss: warned".to_owned()),
        "{plan:#}"
    );
    let id = bridge.agree_asked_by(&olive, &plan).await;
    let start = format!("/api/v1/actions/{id}/start");
    let refused = bridge.olive.post_json(&start, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    assert!(
        refused.body.contains("What would be lost is bearable"),
        "{}",
        refused.body
    );
    assert_eq!(
        pair.second.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "t"
    );
}
