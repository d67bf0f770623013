//! The form that asks for an action, as a browser without scripts sends it.

use reqwest::StatusCode;

use crate::{
    clients,
    console::{Bridge, asked, ended, id, state},
    deck::{Browser, hidden_csrf},
};

/// The value of a hidden field of a page, as it stands there.
fn hidden(html: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let rest = html
        .split(&field)
        .nth(1)
        .unwrap_or_else(|| panic!("no {name} in {html}"));
    rest.split('"').next().unwrap().replace("&quot;", "\"")
}

/// Sends the form that stands on a page, with what a person types.
async fn send(browser: &Browser, page: &str, typed: &[(&str, &str)]) -> crate::deck::Answer {
    let (csrf, id, params, digest) = (
        hidden_csrf(page),
        hidden(page, "id"),
        hidden(page, "params"),
        hidden(page, "digest"),
    );
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("id", &id),
        ("params", &params),
        ("digest", &digest),
    ];
    // What is given here counts instead of what stands on the page.
    fields.retain(|(name, _)| !typed.iter().any(|(given, _)| given == name));
    fields.extend(typed);
    browser.post("/actions", &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_kept_when_the_form_is_refused() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    bridge.client("end-me", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "end-me").await;
    let path = format!(
        "/actions/new?kind=terminate_backend&node=node&backend={}",
        backend.id.to_string().replace(':', "%3A")
    );
    let page = olive.get(&path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let reason = "It holds <everybody> up & \"more\"";
    let kept = "It holds &lt;everybody> up &amp; \"more\"</textarea>";

    let wrong = send(&olive, &page.body, &[("reason", reason), ("typed", "yes")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.body);
    assert!(
        wrong.body.contains("type exactly what the form shows") && wrong.body.contains(kept),
        "{}",
        wrong.body
    );
    assert!(wrong.body.contains("value=\"yes\""), "{}", wrong.body);

    // The plan has moved since the page was made: the new one is shown, with what was typed.
    let object = format!("backend {} on node", backend.id.pid());
    let stale = "0".repeat(64);
    let old = [("reason", reason), ("typed", &object), ("digest", &stale)];
    let moved = send(&olive, &wrong.body, &old).await;
    assert_eq!(moved.status, StatusCode::CONFLICT, "{}", moved.body);
    assert!(
        moved.body.contains("look at the plan again") && moved.body.contains(kept),
        "{}",
        moved.body
    );
    assert_ne!(hidden(&moved.body, "digest"), stale);

    let done = send(&olive, &moved.body, &[("reason", reason), ("typed", &object)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let action = olive.get(&done.location).await.body;
    assert!(action.contains("It holds &lt;everybody&gt; up"), "{action}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_kept_also_where_nothing_is_left_to_ask_for() {
    let bridge = Bridge::new().await;
    let olive = bridge.browser("olive").await;
    bridge.client("end-me", "select pg_sleep(600)").await;
    let backend = clients::active(&bridge.eye, "end-me").await;
    let path = format!(
        "/actions/new?kind=terminate_backend&node=node&backend={}",
        backend.id.to_string().replace(':', "%3A")
    );
    let page = olive.get(&path).await.body;
    bridge
        .watched
        .sql(
            "postgres",
            &format!("select pg_terminate_backend({})", backend.id.pid()),
        )
        .unwrap();
    bridge
        .eye
        .wait_until_gone(&[backend.id], std::time::Duration::from_secs(10))
        .await
        .unwrap();
    let object = format!("backend {} on node", backend.id.pid());
    let late = send(
        &olive,
        &page,
        &[("reason", "It holds everybody up"), ("typed", &object)],
    )
    .await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.body);
    assert!(
        late.body.contains("It is gone by now") && late.body.contains("It holds everybody up"),
        "{}",
        late.body
    );
    assert!(!late.body.contains("name=\"reason\""), "{}", late.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clicks_do_it_once_and_neither_is_told_that_it_failed() {
    let bridge = Bridge::new().await;
    let (olive, action) = asked(&bridge).await;
    let april = bridge.browser("april").await;
    let path = format!("/actions/{}", id(&action));
    let digest = action["plan"]["digest"].as_str().unwrap();
    for (browser, what) in [(&april, "approve"), (&olive, "start")] {
        let csrf = hidden_csrf(&browser.get(&path).await.body);
        let fields = [("csrf", csrf.as_str()), ("digest", digest)];
        let form = format!("{path}/{what}");
        let (first, second) = tokio::join!(browser.post(&form, &fields), browser.post(&form, &fields));
        for answer in [first, second] {
            assert_eq!(
                (answer.status, &answer.location),
                (StatusCode::SEE_OTHER, &path),
                "{what}: {}",
                answer.body
            );
        }
    }
    let action = ended(&olive, &id(&action)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    let recorded = bridge.recorded(&id(&action)).await;
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
            "action.succeeded"
        ]
    );
    // What has not come about is still told as a failure.
    let csrf = hidden_csrf(&olive.get("/actions").await.body);
    let late = olive.post(&format!("{path}/cancel"), &[("csrf", &csrf)]).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.body);
}
