//! The console's own database is on the very pair whose primary changes.

use std::time::Duration;

use quarterdeck::{config::database::DatabaseConfig, db, services::audit::verify_database};
use quarterdeck_estate::parts::Postgres;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    console::Bridge,
    database::{CONSOLE, OWNER, make_roles},
    deck::eventually,
    pair::Pair,
};

/// The database `quarterdeck` of a pair, addressed by both nodes.
pub struct OwnDatabase {
    pub config: DatabaseConfig,
}

impl OwnDatabase {
    pub async fn on(pair: &Pair) -> Self {
        make_roles(&pair.first);
        pair.first.create_database("quarterdeck", OWNER).unwrap();
        let url = |role: &str| {
            // The standby first: the order says nothing.
            format!(
                "postgres://{role}@127.0.0.1:{},127.0.0.1:{}/quarterdeck",
                pair.second.port(),
                pair.first.port()
            )
        };
        let own = Self {
            config: DatabaseConfig {
                url: url(CONSOLE),
                owner_url: Some(url(OWNER)),
                ..DatabaseConfig::default()
            },
        };
        // The standby has to have it before it can say that it is one.
        eventually("the databases on the standby", async || {
            pair.second.sql("quarterdeck", "SELECT 1").is_ok()
        })
        .await;
        db::migrate(&own.config).await.unwrap();
        own
    }

    pub async fn pool(&self) -> PgPool {
        db::runtime_pool(&self.config).await.unwrap()
    }
}

fn count(node: &Postgres, table: &str) -> i64 {
    let answer = node.sql(
        "quarterdeck",
        &format!("SELECT count(*) FROM quarterdeck.{table}"),
    );
    answer.unwrap().parse().unwrap()
}

/// The audit rows about an action on a node, in order; the chain there holds.
async fn recorded(node: &Postgres, id: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(&node.url("quarterdeck")).await.unwrap();
    verify_database(&mut connection, None).await.unwrap();
    sqlx::query_scalar(
        "select action from quarterdeck.audit_events where object_kind = 'action' and object_id = $1 and action like 'action.%' order by seq",
    )
    .bind(id)
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

const WHOLE: [&str; 4] = [
    "action.requested",
    "action.approved",
    "action.started",
    "action.succeeded",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_of_it_ends_recorded_on_the_new_primary() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let more = pair.configuration("", "");
    let bridge = Bridge::upon(&own, &more).await;
    // Another console looks for abandoned actions meanwhile.
    let other = Bridge::console(own.config.url.clone(), "http://127.0.0.1:9", &more).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let id = bridge.start_action(&plan).await;
    // What cannot be asked for at the moment is asked for again.
    eventually("the end of the action", async || {
        let answer = bridge.olive.get(&format!("/api/v1/actions/{id}")).await;
        answer.status.is_success() && !answer.body.contains("\"executing\"")
    })
    .await;
    let action = bridge.action(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    assert_eq!(action["steps"].as_array().unwrap().len(), 9, "{action:#}");
    assert_eq!(recorded(&pair.second, &id).await, WHOLE);
    let rows = pair
        .second
        .sql(
            "quarterdeck",
            "SELECT count(*) FROM quarterdeck.action_steps WHERE state = 'done' AND ended_at >= started_at",
        )
        .unwrap();
    assert_eq!(rows, "9");

    // Sessions hold, changes are recorded, and are heard of: the listeners have followed.
    let seen = bridge.olive.overview().await.event_id;
    let mut events = bridge.olive.events(&seen).await;
    tokio::task::block_in_place(|| pair.rejoin_first());
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-1" }))
        .await;
    let back = bridge.start_action(&plan).await;
    assert!(events.next_named("action").await.data.contains(&back));
    eventually("the end of the way back", async || {
        let answer = bridge.april.get(&format!("/api/v1/actions/{back}")).await;
        answer.status.is_success() && !answer.body.contains("\"executing\"")
    })
    .await;
    assert_eq!(bridge.action(&back).await["line"]["state"], "succeeded");
    assert_eq!(recorded(&pair.first, &back).await, WHOLE);
    assert_eq!(recorded(&pair.first, &id).await, WHOLE);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn being_cut_off_for_longer_than_the_lease_is_not_taken_for_the_end() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let more = pair.configuration("", "patience_s = 60");
    let bridge = Bridge::upon(&own, &more).await;
    let other = Bridge::console(own.config.url.clone(), "http://127.0.0.1:9", &more).await;
    let plan = bridge
        .plan_that_may(&json!({ "kind": "switchover", "candidate": "db-2" }))
        .await;
    let sender = pair
        .first
        .sql("postgres", "SELECT pid FROM pg_stat_replication")
        .unwrap();
    let sender = Pid::from_raw(sender.parse().unwrap()).unwrap();
    let id = bridge.start_action(&plan).await;
    // The standby can't catch up, and neither node takes writes.
    kill_process(sender, Signal::STOP).unwrap();
    eventually("the primary to be read-only", async || {
        let setting = pair.first.sql("postgres", "SHOW default_transaction_read_only");
        setting.is_ok_and(|setting| setting == "on")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    kill_process(sender, Signal::CONT).unwrap();
    eventually("the end of the action", async || {
        let answer = bridge.olive.get(&format!("/api/v1/actions/{id}")).await;
        answer.status.is_success() && !answer.body.contains("\"executing\"")
    })
    .await;
    let action = bridge.action(&id).await;
    assert_eq!(action["line"]["state"], "succeeded", "{action:#}");
    assert_eq!(recorded(&pair.second, &id).await, WHOLE);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_followed_to_a_standby_that_was_promoted_and_never_back_to_the_old_primary() {
    let pair = Pair::start();
    let own = OwnDatabase::on(&pair).await;
    let bridge = Bridge::upon(&own, &pair.configuration("", "")).await;
    let sessions = count(&pair.first, "sessions");
    eventually("the standby to have the sessions", async || {
        count(&pair.second, "sessions") == sessions
    })
    .await;
    pair.first.kill();
    let refused = db::owner_connection(&own.config).await.unwrap_err().to_string();
    let named = |node: &Postgres| refused.contains(&format!("127.0.0.1:{}: ", node.port()));
    assert!(
        named(&pair.first) && named(&pair.second) && refused.contains("it is a standby"),
        "{refused}"
    );
    pair.second.sql("postgres", "SELECT pg_promote()").unwrap();
    eventually("the console to find its database", async || {
        bridge.olive.get("/api/v1/actions").await.status.is_success()
    })
    .await;
    bridge.deck.signed_in("olive").await;
    assert_eq!(count(&pair.second, "sessions"), sessions + 1);

    // It returns and takes writes as if nothing had been.
    tokio::task::block_in_place(|| pair.first.restart()).unwrap();
    assert_eq!(
        pair.first.sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "f"
    );
    for more in 2..5 {
        bridge.deck.signed_in("april").await;
        assert_eq!(count(&pair.second, "sessions"), sessions + more);
    }
    assert_eq!(count(&pair.first, "sessions"), sessions);
    eventually("the poller's lock on the new primary", async || {
        let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND application_name = 'quarterdeck-poller'";
        pair.second.sql("quarterdeck", held).unwrap() == "1"
    })
    .await;
}
