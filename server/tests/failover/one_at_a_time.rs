//! Two changes of the primary that are started at the same moment: one of them begins.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    console::Bridge,
    deck::{Answer, eventually},
    led::Led,
    pair::Pair,
};

/// Holds whatever is about to be executed until it is let go: what starts has planned by then.
const GATE: i64 = 42;

/// Starts both at once, where no plan sees the other; answers how each was received.
async fn start_both(bridge: &Bridge, params: [&Value; 2]) -> [Answer; 2] {
    let database = bridge.database();
    database
        .as_superuser(&format!(
            "create function quarterdeck.gate() returns trigger language plpgsql as
             $$ begin perform pg_advisory_xact_lock_shared({GATE}); return new; end $$;
             create trigger gate before update on quarterdeck.actions for each row
             when (old.state = 'approved' and new.state = 'executing') execute function quarterdeck.gate()"
        ))
        .await;
    let mut ids = Vec::new();
    for params in params {
        let plan = bridge.plan_that_may(params).await;
        ids.push(bridge.agree(&plan).await);
    }
    let mut gate = database.superuser().await;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(GATE)
        .execute(&mut gate)
        .await
        .unwrap();
    let start = async |id: &String| {
        let path = format!("/api/v1/actions/{id}/start");
        bridge.olive.post_json(&path, &json!({})).await
    };
    let (first, second, ()) = tokio::join!(start(&ids[0]), start(&ids[1]), async {
        eventually("both at the gate", async || {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_locks where locktype = 'advisory' and objid = $1::int and not granted",
            )
            .bind(GATE)
            .fetch_one(&bridge.own)
            .await
            .unwrap();
            waiting == 2
        })
        .await;
        sqlx::query("select pg_advisory_unlock($1)")
            .bind(GATE)
            .execute(&mut gate)
            .await
            .unwrap();
    });
    [first, second]
}

fn one_begins(answers: &[Answer; 2]) {
    let of = |status| answers.iter().filter(move |answer| answer.status == status);
    assert_eq!(of(StatusCode::OK).count(), 1, "{answers:#?}");
    let refused: Vec<_> = of(StatusCode::CONFLICT).collect();
    assert_eq!(refused.len(), 1, "{answers:#?}");
    assert!(
        refused[0]
            .body
            .contains("another action changes the primary at this moment (action "),
        "{}",
        refused[0].body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_by_the_console() {
    let pair = Pair::start();
    let bridge = Bridge::start(&pair.configuration("", "")).await;
    let switchover = json!({ "kind": "switchover", "candidate": "db-2" });
    one_begins(&start_both(&bridge, [&switchover, &switchover]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_by_patroni() {
    let led = Led::start("");
    let bridge = led.bridge().await;
    let switchover = json!({ "kind": "switchover", "candidate": "db-2" });
    one_begins(&start_both(&bridge, [&switchover, &switchover]).await);
}
