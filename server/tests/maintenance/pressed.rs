//! Every button pressed twice at the same moment: it is asked for once, agreed to once, and switched once.

use std::time::Duration;

use quarterdeck::clock::{Clock, SystemClock};
use quarterdeck_estate::parts::{Alertmanager, Redis};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    console::{Bridge, on, state},
    deck::{Browser, eventually},
    killed::{recorded, section, service, silences, throws},
};

/// Sends the same twice at once; one at least is taken, and neither fails in a way of its own.
async fn twice(browser: &Browser, path: &str, body: &Value) {
    let (first, second) = tokio::join!(browser.post_json(path, body), browser.post_json(path, body));
    let answers = [first, second];
    assert!(
        answers.iter().any(|answer| answer.status.is_success()),
        "{path}: {answers:?}"
    );
    for answer in answers {
        let told = [StatusCode::FORBIDDEN, StatusCode::CONFLICT];
        assert!(
            answer.status.is_success() || told.contains(&answer.status),
            "{path}: {answer:?}"
        );
    }
}

/// Asks, has it approved where somebody has to, and starts it, each twice; answers the action when it is over.
async fn pressed_twice(bridge: &Bridge, params: &Value) -> Value {
    let proposal = bridge.plan(params).await;
    let body = json!({ "id": proposal["id"], "params": proposal["plan"]["params"], "digest": proposal["plan"]["digest"],
        "reason": "Migration of the course tables", "typed": "the service" });
    twice(&bridge.olive, "/api/v1/actions", &body).await;
    let id = proposal["id"].as_str().unwrap();
    if proposal["policy"]["approvals"] != 0 {
        let body = json!({ "digest": proposal["plan"]["digest"], "comment": "" });
        twice(&bridge.april, &format!("/api/v1/actions/{id}/approve"), &body).await;
        twice(&bridge.olive, &format!("/api/v1/actions/{id}/start"), &body).await;
    }
    bridge.ended(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_switched_once() {
    let (redis, alertmanager) = (Redis::start().unwrap(), Alertmanager::start().unwrap());
    let url = service(&redis).await;
    let bridge = Bridge::start("http://127.0.0.1:9", &section(&redis, &alertmanager, &url)).await;
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;
    let switched_on = on(SystemClock.now() + Duration::from_secs(1800));
    let switched_off = json!({ "kind": "maintenance_off" });
    for (params, command, agreed) in [
        (&switched_on, "set", &["action.requested", "action.approved"][..]),
        (&switched_off, "del", &["action.requested"]),
    ] {
        let action = pressed_twice(&bridge, params).await;
        assert_eq!(state(&action), "succeeded", "{action:#}");
        let expected: Vec<_> = agreed
            .iter()
            .copied()
            .chain(["action.started", "action.succeeded"])
            .collect();
        let id = action["line"]["id"].as_str().unwrap();
        let mut recorded = recorded(&bridge.database, id).await;
        recorded.retain(|action| action.starts_with("action."));
        assert_eq!(recorded, expected);
        assert_eq!(throws(&redis, command), 1, "{command}");
        assert_eq!(silences(&alertmanager).await.len(), 1, "{command}");
    }
}
