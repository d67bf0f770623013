//! Cancelling and terminating, from plan to record.

use quarterdeck_domain::database::BackendState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    clients,
    console::{Bridge, act, ask, ended, id, plan, request, state},
};

fn terminate_long(longer_than_s: u32) -> Value {
    json!({ "kind": "terminate_long_running", "node": "node", "longer_than_s": longer_than_s })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_at_once_and_its_connection_stays() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    // One that lives on when it is cancelled.
    let patient =
        "do $$ begin perform pg_sleep(600), 'secret'; exception when query_canceled then null; end $$";
    bridge.client("cancel-me", patient).await;
    let backend = clients::active(&bridge.eye, "cancel-me").await;

    let params = json!({ "kind": "cancel_query", "node": "node", "backend": backend.id.to_string() });
    let proposal = plan(&olive, &params).await;
    let shown = proposal.to_string();
    assert!(!shown.contains("secret"), "literals are hidden: {shown}");
    assert_eq!(proposal["policy"]["approvals"], 0);
    assert!(
        proposal["plan"]["gates"]
            .as_array()
            .unwrap()
            .iter()
            .all(|gate| gate["verdict"] == "passed"),
        "{proposal}"
    );

    let body = ask(&proposal, json!({}));
    // A double click: the same form twice, at the same moment.
    let (once, twice) = tokio::join!(
        olive.post_json("/api/v1/actions", &body),
        olive.post_json("/api/v1/actions", &body)
    );
    assert_eq!(
        (once.status, twice.status),
        (StatusCode::CREATED, StatusCode::CREATED),
        "{} {}",
        once.body,
        twice.body
    );
    let action: Value = serde_json::from_str(&once.body).unwrap();
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    let after = bridge
        .eye
        .find(backend.id)
        .await
        .unwrap()
        .expect("the connection stays");
    assert_eq!(after.state, BackendState::Idle);
    assert_eq!(
        bridge.recorded(&id(&action)).await,
        ["action.requested", "action.started", "action.succeeded"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_that_a_link_means_is_cancelled_and_no_later_one() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    bridge.client("cancel-me", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "cancel-me").await;
    let params = |query_start: time::OffsetDateTime| {
        let query_start = quarterdeck_domain::database::instant::write(query_start).unwrap();
        json!({ "kind": "cancel_query", "node": "node", "backend": backend.id.to_string(), "query_start": query_start })
    };
    let running = |proposal: &Value| {
        let gates = proposal["plan"]["gates"].as_array().unwrap();
        gates.iter().find(|gate| gate["name"] == "running").unwrap()["verdict"].clone()
    };
    let meant = backend.query_started_at.unwrap();
    // The link was made while an earlier query ran.
    let over = plan(&olive, &params(meant - std::time::Duration::from_micros(1))).await;
    assert_eq!(running(&over), "refused", "{over}");
    let refused = olive.post_json("/api/v1/actions", &ask(&over, json!({}))).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);

    let proposal = plan(&olive, &params(meant)).await;
    assert_eq!(running(&proposal), "passed", "{proposal}");
    let action = request(&olive, &params(meant)).await;
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminating_one_needs_its_name_typed() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    bridge.client("end-me", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "end-me").await;
    let params = json!({ "kind": "terminate_backend", "node": "node", "backend": backend.id.to_string() });
    let proposal = plan(&olive, &params).await;

    let wrong = olive
        .post_json("/api/v1/actions", &ask(&proposal, json!({ "typed": "yes" })))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.body);
    assert!(clients::is_there(&bridge.eye, backend.id).await);

    let action = request(&olive, &params).await;
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    assert!(!clients::is_there(&bridge.eye, backend.id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_approved_ones_are_ended() {
    let bridge = Bridge::new().await;
    let (olive, april) = (bridge.browser("olive").await, bridge.browser("april").await);
    bridge.client("long-1", "select pg_sleep(600)").await;
    bridge.client("long-2", "select pg_sleep(600)").await;
    bridge.client("pg_dump", "select pg_sleep(600)").await;
    let first = clients::active(&bridge.eye, "long-1").await;
    let second = clients::active(&bridge.eye, "long-2").await;
    let dump = clients::active(&bridge.eye, "pg_dump").await;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;

    let action = request(&olive, &terminate_long(1)).await;
    assert_eq!(state(&action), "requested");
    let named = action["plan"]["targets"].to_string();
    assert!(
        named.contains(&first.id.to_string()) && named.contains(&second.id.to_string()),
        "{named}"
    );
    assert!(
        action["plan"]["left_out"].to_string().contains("pg_dump"),
        "{action}"
    );

    // Not yet agreed to.
    let early = act(&olive, &action, "start").await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.body);
    let own = act(&olive, &action, "approve").await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.body);
    let approved = act(&april, &action, "approve").await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.body);
    // Approving is not executing.
    assert!(clients::is_there(&bridge.eye, first.id).await);

    // One comes over the limit after the approval: it is not what was agreed to.
    bridge.client("late", "select pg_sleep(600)").await;
    let late = clients::active(&bridge.eye, "late").await;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let started = act(&olive, &action, "start").await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.body);
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    for (backend, is_there) in [(&first, false), (&second, false), (&dump, true), (&late, true)] {
        assert_eq!(
            clients::is_there(&bridge.eye, backend.id).await,
            is_there,
            "{}",
            backend.application
        );
    }
    assert_eq!(
        bridge.recorded(&id(&action)).await,
        [
            "action.requested",
            // The requester's own vote.
            "access.refused",
            "action.approved",
            "action.started",
            "action.succeeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_gone_or_protected_is_a_refused_gate() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    bridge.client("pg_restore", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "pg_restore").await;
    let params = |backend: &str| json!({ "kind": "terminate_backend", "node": "node", "backend": backend });
    let protected = plan(&olive, &params(&backend.id.to_string())).await;
    let gone = plan(&olive, &params("999999@2026-11-24T22:11:03.123456Z")).await;
    let reused = format!("{}@2026-11-24T22:11:03.123456Z", backend.id.pid());
    let reused = plan(&olive, &params(&reused)).await;
    for (proposal, word) in [
        (protected, "pg_restore"),
        (gone, "gone"),
        (reused, "another backend"),
    ] {
        assert!(proposal["obstacle"].to_string().contains(word), "{proposal}");
        let answer = olive
            .post_json("/api/v1/actions", &ask(&proposal, json!({})))
            .await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    }
    assert!(clients::is_there(&bridge.eye, backend.id).await);
    let unknown = olive
        .post_json(
            "/api/v1/actions/plan",
            &json!({ "params": { "kind": "terminate_backend", "node": "elsewhere", "backend": backend.id.to_string() } }),
        )
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{}", unknown.body);
    assert!(unknown.body.contains("there are: node"), "{}", unknown.body);
}
