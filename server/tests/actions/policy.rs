//! The policy in force, as the page and the API tell it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::console::Bridge;

async fn told(bridge: &Bridge, name: &str) -> Value {
    let browser = bridge.browser(name).await;
    let answer = browser.get("/api/v1/actions/policy").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn kind<'a>(policy: &'a Value, name: &str) -> &'a Value {
    let kinds = policy["kinds"].as_array().unwrap();
    kinds.iter().find(|kind| kind["kind"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_told_with_its_version_its_windows_and_what_one_may() {
    let bridge = Bridge::with(
        "[policy]\nrules = [{ action = 'terminate_long_running', min_targets = 10, request = ['admin'], approvals = 2, \
         approve = ['approver'], reauthenticate = true, confirmation = 'typed', break_glass = false, expires_s = 900 }]\n\
         freeze = [{ name = 'always', effect = 'deny', actions = ['cancel_query'], cron = '* * * * *', duration_s = 120 }]",
    )
    .await;
    let policy = told(&bridge, "olive").await;
    assert_eq!(policy["version"], 1);
    assert!(policy["since_ms"].as_i64().unwrap() > 0);
    let rules = kind(&policy, "terminate_long_running")["rules"]
        .as_array()
        .unwrap();
    let few: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                rule["min_targets"].clone(),
                rule["approvals"].clone(),
                rule["typed"].clone(),
            )
        })
        .collect();
    assert_eq!(
        few,
        [
            (json!(0), json!(1), json!(false)),
            (json!(10), json!(2), json!(true))
        ]
    );
    // Maintenance mode is not set up in this console.
    assert!(
        kind(&policy, "maintenance_on")["not_set_up"]
            .as_str()
            .unwrap()
            .contains("[maintenance]"),
        "{policy}"
    );
    assert!(
        kind(&policy, "cancel_query")["frozen"]
            .as_str()
            .unwrap()
            .contains("“always”"),
        "{policy}"
    );
    assert!(kind(&policy, "terminate_backend")["frozen"].is_null());
    assert!(
        policy["windows"][0]["open_until_ms"].as_i64().is_some(),
        "{policy}"
    );

    for (name, one, many) in [
        ("olive", true, true),
        ("adam", false, true),
        ("april", false, false),
        ("vera", false, false),
    ] {
        let policy = told(&bridge, name).await;
        let may = |name: &str| kind(&policy, name)["may_request"].clone();
        assert_eq!(
            (
                may("terminate_backend"),
                may("terminate_long_running"),
                may("maintenance_on")
            ),
            (json!(one), json!(many), json!(false)),
            "{name}"
        );
    }
    let page = bridge.browser("vera").await.get("/actions/policy").await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Version 1, in force since"),
        "{}",
        page.body
    );
}
