//! A console that is killed, or loses its database, at each point of an action: nothing is done twice, and nothing is left
//! unrecorded.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    clients,
    console::{Bridge, ended, id, request, state},
};

/// A trigger that holds a step, so that the console can be killed in the middle of it.
async fn hold(bridge: &Bridge, what: &str) {
    let (event, table, condition) = match what {
        // The console is killed before it can write down that the step begins.
        "before signal" => ("insert", "action_steps", "new.name = 'signal'"),
        "after signal" => ("update", "action_steps", "new.name = 'signal'"),
        "before verify" => ("insert", "action_steps", "new.name = 'verify'"),
        "after verify" => ("update", "actions", "new.state = 'succeeded'"),
        other => panic!("{other}"),
    };
    let sql = format!(
        "create function quarterdeck.hold() returns trigger language plpgsql as
         $$ begin perform pg_sleep(3); return new; end $$;
         create trigger hold before {event} on quarterdeck.{table} for each row when ({condition})
         execute function quarterdeck.hold()"
    );
    bridge.database.as_superuser(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_killed_at_any_step_never_does_it_again() {
    // Where it is killed, what it must have left, and whether the backend is gone.
    let cases = [
        ("before signal", &["failed", "outcome_unknown"][..], None),
        ("after signal", &["outcome_unknown"][..], Some(false)),
        ("before verify", &["outcome_unknown"][..], Some(false)),
        ("after verify", &["outcome_unknown", "succeeded"][..], Some(false)),
    ];
    let at_once = cases.map(|(point, states, there)| async move {
        let mut bridge = Bridge::new().await;
        let application = point.replace(' ', "-");
        bridge.client(&application, "select pg_sleep(600)").await;
        let backend = clients::active(&bridge.eye, &application).await;
        hold(&bridge, point).await;
        let olive = bridge.browser("olive").await;
        let params =
            json!({ "kind": "terminate_backend", "node": "node", "backend": backend.id.to_string() });
        let action: Value = request(&olive, &params).await;
        let action_id = id(&action);
        // It is in the middle of what is held now.
        tokio::time::sleep(Duration::from_millis(1_800)).await;
        let next = bridge.another().await;
        std::mem::replace(&mut bridge.deck, next).kill().await;

        let olive = bridge.browser("olive").await;
        let action = ended(&olive, &action_id).await;
        assert!(states.contains(&state(&action).as_str()), "{point}: {action}");
        if let Some(there) = there {
            assert_eq!(clients::is_there(&bridge.eye, backend.id).await, there, "{point}");
        }
        if state(&action) == "outcome_unknown" {
            assert!(action["how_to_check"].is_string(), "{action}");
        }
        // Each step was begun once, and the intent stands before the outcome.
        let recorded = bridge.recorded(&action_id).await;
        assert_eq!(recorded.len(), 3, "{point}: {recorded:?}");
        assert_eq!(&recorded[..2], ["action.requested", "action.started"], "{point}");
        // It stays as it is: nobody takes it up again.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(bridge.recorded(&action_id).await, recorded);
        let answer = olive
            .post_json(&format!("/api/v1/actions/{action_id}/start"), &json!({}))
            .await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    });
    futures::future::join_all(at_once).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_nothing_is_done() {
    let bridge = Bridge::new().await;
    bridge.client("x", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "x").await;
    let olive = bridge.browser("olive").await;
    let params = json!({ "kind": "cancel_query", "node": "node", "backend": backend.id.to_string() });
    let proposal = crate::console::plan(&olive, &params).await;
    // The audit log refuses: its trigger is the last thing before a commit.
    bridge
        .database
        .as_superuser(
            "create function quarterdeck.full() returns trigger language plpgsql as
             $$ begin raise exception 'disk full'; end $$;
             create trigger full_disk before insert on quarterdeck.audit_intake
             for each row execute function quarterdeck.full()",
        )
        .await;
    let answer = olive
        .post_json("/api/v1/actions", &crate::console::ask(&proposal, json!({})))
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let still = bridge.eye.find(backend.id).await.unwrap().unwrap();
    assert_eq!(still.query_started_at, backend.query_started_at);
    assert!(clients::active(&bridge.eye, "x").await.id == backend.id);
    let actions: i64 = sqlx::query_scalar("select count(*) from quarterdeck.actions")
        .fetch_one(&bridge.database.pool())
        .await
        .unwrap();
    assert_eq!(actions, 0);
}
