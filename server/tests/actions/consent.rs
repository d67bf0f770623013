//! Whose consent counts, and for what.

use quarterdeck_domain::access::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{
    clients,
    console::{Bridge, act, ask, ended, id, look, plan, request, state},
    deck::{PASSWORD, account},
};

fn terminate_long() -> Value {
    json!({ "kind": "terminate_long_running", "node": "node", "longer_than_s": 1 })
}

/// A client that has been active for long enough.
async fn long_client(bridge: &Bridge, application: &str) {
    bridge.client(application, "select pg_sleep(600)").await;
    clients::active(&bridge.eye, application).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_agrees_twice_or_to_their_own() {
    let bridge = Bridge::with(
        "[policy]\nrules = [{ action = 'terminate_long_running', request = ['operator', 'approver'], approvals = 2, \
         approve = ['approver'], reauthenticate = false, confirmation = 'none', break_glass = false, expires_s = 600 }]",
    )
    .await;
    // April's other account.
    account(&bridge.database, "april2", Role::Approver).await;
    bridge
        .database
        .as_superuser("update quarterdeck.users set identity = 'april' where username = 'april2'")
        .await;
    long_client(&bridge, "x").await;
    let april = bridge.browser("april").await;
    let twin = bridge.browser("april2").await;
    let arthur = bridge.browser("arthur").await;

    let own = request(&april, &terminate_long()).await;
    for (who, browser) in [("april", &april), ("her other account", &twin)] {
        let answer = act(browser, &own, "approve").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{who}: {}", answer.body);
    }
    let refused: i64 = sqlx::query_scalar(
        "select count(*) from quarterdeck.audit_events where action = 'access.refused' and object_kind = 'action'",
    )
    .fetch_one(&bridge.database.pool())
    .await
    .unwrap();
    assert_eq!(refused, 2);

    let olive = bridge.browser("olive").await;
    let action = request(&olive, &terminate_long()).await;
    // Three at once: two accounts of one person, and another one.
    let (a, b, c) = tokio::join!(
        act(&april, &action, "approve"),
        act(&twin, &action, "approve"),
        act(&arthur, &action, "approve")
    );
    let statuses = [a.status, b.status, c.status];
    assert_eq!(
        statuses
            .iter()
            .filter(|status| **status == StatusCode::OK)
            .count(),
        2,
        "{statuses:?} {} {} {}",
        a.body,
        b.body,
        c.body
    );
    assert_eq!(state(&look(&olive, &id(&action)).await), "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_no_ends_it() {
    let bridge = Bridge::new().await;
    long_client(&bridge, "x").await;
    let (olive, april) = (bridge.browser("olive").await, bridge.browser("april").await);
    let action = request(&olive, &terminate_long()).await;
    assert_eq!(act(&april, &action, "reject").await.status, StatusCode::OK);
    for what in ["approve", "start", "cancel"] {
        let browser = if what == "approve" { &april } else { &olive };
        let answer = act(browser, &action, what).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{what}: {}", answer.body);
    }
    assert_eq!(state(&look(&olive, &id(&action)).await), "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_lost_with_the_role_that_gave_it() {
    let bridge = Bridge::new().await;
    long_client(&bridge, "x").await;
    let (olive, april) = (bridge.browser("olive").await, bridge.browser("april").await);
    let action = request(&olive, &terminate_long()).await;
    assert_eq!(act(&april, &action, "approve").await.status, StatusCode::OK);
    for change in ["role = 'viewer'", "disabled_at = now(), role = 'approver'"] {
        bridge
            .database
            .as_superuser(&format!(
                "update quarterdeck.users set {change} where username = 'april'"
            ))
            .await;
        let answer = act(&olive, &action, "start").await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{change}: {}", answer.body);
        assert!(answer.body.contains("april"), "{}", answer.body);
    }
    // Somebody else's consent mends it.
    let arthur = bridge.browser("arthur").await;
    assert_eq!(act(&arthur, &action, "approve").await.status, StatusCode::OK);
    assert_eq!(act(&olive, &action, "start").await.status, StatusCode::OK);
    assert_eq!(state(&ended(&olive, &id(&action)).await), "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_to_is_what_runs() {
    let bridge = Bridge::new().await;
    // Runs one long query after the other.
    let statements = ["select pg_sleep(4)", "select pg_sleep(600)"];
    clients::client(&bridge.watched, clients::APP, "busy", &statements).await;
    clients::active(&bridge.eye, "busy").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let (olive, april) = (bridge.browser("olive").await, bridge.browser("april").await);
    let action = request(&olive, &terminate_long()).await;
    // A digest that was never shown.
    let forged = json!({ "digest": "0".repeat(64), "comment": "" });
    let answer = april
        .post_json(&format!("/api/v1/actions/{}/approve", id(&action)), &forged)
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert_eq!(act(&april, &action, "approve").await.status, StatusCode::OK);

    let first = clients::active(&bridge.eye, "busy").await.query_started_at;
    clients::backend(&bridge.eye, "the second query", |b| {
        b.application == "busy" && b.query_started_at != first && b.query_started_at.is_some()
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let answer = act(&olive, &action, "start").await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    assert!(answer.body.contains("query started"), "{}", answer.body);
    assert_eq!(state(&look(&olive, &id(&action)).await), "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn glass_is_broken_with_a_reason_and_the_password_and_reviewed_by_another() {
    let bridge = Bridge::new().await;
    long_client(&bridge, "x").await;
    let (olive, oscar, april) = (
        bridge.browser("olive").await,
        bridge.browser("oscar").await,
        bridge.browser("april").await,
    );
    let proposal = plan(&olive, &terminate_long()).await;
    let wrong = [
        json!({ "break_glass": true }),
        json!({ "break_glass": true, "password": "not the password" }),
        json!({ "break_glass": true, "password": PASSWORD, "reason": " " }),
    ];
    for more in wrong {
        let answer = olive
            .post_json("/api/v1/actions", &ask(&proposal, more.clone()))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}: {}", answer.body);
    }
    let body = ask(&proposal, json!({ "break_glass": true, "password": PASSWORD }));
    let answer = olive.post_json("/api/v1/actions", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let action: Value = serde_json::from_str(&answer.body).unwrap();
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded");
    assert_eq!(action["line"]["awaits_review"], true);
    let marked: bool = sqlx::query_scalar(AssertSqlSafe(
        "select bool_and(canonical::json #>> '{detail,break_glass}' = 'true') from quarterdeck.audit_events
         where object_kind = 'action' and action like 'action.%'",
    ))
    .fetch_one(&bridge.database.pool())
    .await
    .unwrap();
    assert!(marked);
    // Nobody but an approver closes it.
    assert_eq!(act(&oscar, &action, "review").await.status, StatusCode::FORBIDDEN);
    assert_eq!(act(&april, &action, "review").await.status, StatusCode::OK);
    let action = look(&olive, &id(&action)).await;
    assert_eq!(action["line"]["awaits_review"], false);
    assert_eq!(act(&april, &action, "review").await.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_window_forbids() {
    let bridge = Bridge::with(
        "[policy]\nfreeze = [{ name = 'always', effect = 'deny', actions = ['terminate_backend'], cron = '* * * * *', duration_s = 3600 }]",
    )
    .await;
    bridge.client("x", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "x").await;
    let olive = bridge.browser("olive").await;
    let params = json!({ "kind": "terminate_backend", "node": "node", "backend": backend.id.to_string() });
    let proposal = plan(&olive, &params).await;
    assert!(
        proposal["policy"]["frozen"].to_string().contains("always"),
        "{proposal}"
    );
    let answer = olive
        .post_json("/api/v1/actions", &ask(&proposal, json!({})))
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    assert!(clients::is_there(&bridge.eye, backend.id).await);
}
