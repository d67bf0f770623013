//! A console that is killed at each step of a switchover and of a failover: nothing is done twice, one node at most takes
//! writes, and clients are let go on wherever that is safe.

use quarterdeck_domain::action::ActionKind;
use serde_json::json;

use crate::{console::Bridge, deck::eventually, pair::Pair};

/// Holds the record of a step's end for longer than the console lives, so that it is killed when the step is done and nobody
/// has written that down.
async fn hold(bridge: &Bridge, step: &str) {
    bridge
        .database()
        .as_superuser(&format!(
            "create function quarterdeck.hold() returns trigger language plpgsql as
             $$ begin perform pg_sleep(6); return new; end $$;
             create trigger hold before update on quarterdeck.action_steps for each row
             when (new.name = '{step}') execute function quarterdeck.hold()"
        ))
        .await;
}

/// Whether somebody waits at the trigger.
async fn is_held(bridge: &Bridge) -> bool {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    )
    .fetch_one(&bridge.own)
    .await
    .unwrap();
    waiting > 0
}

fn answers(node: &quarterdeck_estate::parts::Postgres, question: &str) -> Option<String> {
    node.is_running()
        .then(|| node.sql("postgres", question).ok())
        .flatten()
}

/// The nodes that take writes.
fn writable(pair: &Pair) -> Vec<&'static str> {
    let question =
        "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'";
    let nodes = [("db-1", &pair.first), ("db-2", &pair.second)];
    let writable = nodes
        .into_iter()
        .filter(|(_, node)| answers(node, question).as_deref() == Some("t"));
    writable.map(|(name, _)| name).collect()
}

async fn killed_at(kind: ActionKind, step: &'static str) {
    let pair = Pair::start();
    let configuration = pair.configuration("", "");
    let bridge = Bridge::start(&configuration).await;
    let planned = kind == ActionKind::Switchover;
    let params = if planned {
        json!({ "kind": "switchover", "candidate": "db-2" })
    } else {
        json!({ "kind": "failover", "candidate": "db-2", "accept_loss": true })
    };
    if !planned {
        eventually("a look", async || bridge.topology().await["verdict"] == "healthy").await;
        pair.first.kill();
    }
    let plan = bridge.plan_that_may(&params).await;
    hold(&bridge, step).await;
    let id = bridge.start_action(&plan).await;
    eventually("the step", async || is_held(&bridge).await).await;
    let bridge = bridge.killed_and_started_again(&configuration).await;
    bridge
        .database()
        .as_superuser("drop trigger hold on quarterdeck.action_steps")
        .await;
    let action = bridge.ended(&id).await;
    let what = format!("{kind} killed at {step}");
    assert_eq!(action["line"]["state"], "outcome_unknown", "{what}: {action:#}");
    let recorded = bridge.recorded(&id).await;
    let of_action: Vec<_> = recorded
        .iter()
        .filter(|action| action.starts_with("action."))
        .collect();
    assert_eq!(
        of_action,
        [
            "action.requested",
            "action.approved",
            "action.started",
            "action.outcome_unknown"
        ],
        "{what}"
    );

    let steps: Vec<_> = kind.spec().steps.iter().map(|step| step.name).collect();
    let place = |name: &str| steps.iter().position(|step| *step == name).unwrap();
    let promoted = place(step) >= place("promote");
    let expected: &[&str] = match (promoted, planned) {
        (true, _) => &["db-2"],
        (false, true) => &["db-1"],
        (false, false) => &[],
    };
    assert_eq!(writable(&pair), expected, "{what}: {action:#}");
    // Before the promotion clients go on as before; from the promotion on they are let go by nobody until they are sent there.
    let routes = bridge.topology().await["clients"].clone();
    let held = promoted && place(step) < place("resume");
    assert_eq!(routes["held"], held, "{what}: {routes:#} {action:#}");
    let there = if place(step) >= place("repoint") {
        "db-2"
    } else {
        "db-1"
    };
    assert_eq!(routes["to"][0]["node"], there, "{what}: {routes:#}");
    if !held && (promoted || planned) {
        let mut writer = crate::writer::Writer::start(pair.through("app", "app"));
        writer.wait_for(3).await;
        writer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step_of_a_switchover() {
    at_each_step_of(ActionKind::Switchover).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_step_of_a_failover() {
    at_each_step_of(ActionKind::Failover).await;
}

/// Three at a time: each has two servers, a pooler and a console.
async fn at_each_step_of(kind: ActionKind) {
    let steps: Vec<_> = kind.spec().steps.iter().map(|step| step.name).collect();
    for some in steps.chunks(3) {
        futures::future::join_all(some.iter().map(|step| killed_at(kind, step))).await;
    }
}
