//! The page of the watched database's sessions, rendered with a fake console.

#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod fake;
mod rendered;

use fake::{Scenario, request, subject};
use quarterdeck_domain::access::Role;
use rendered::{get, get_as};

#[tokio::test]
async fn every_session_says_who_it_is_what_it_does_and_for_how_long() {
    let page = get("/database", Scenario::Mixed).await;
    assert_eq!(page.status, 200);
    page.has("Sessions on primary").has("10 of 97 usable");
    page.has("max_connections is 100, of which 3 for superusers are kept back.");
    let report = page.slice("id=\"backend-4711\"", "</tr>");
    for part in [
        "1 h 02 min",
        "WHERE users.email = ?",
        "skillquest @ skillquest",
        "skillquest-report",
        "10.20.0.14",
        ">long<",
    ] {
        assert!(report.contains(part), "{part:?} is missing in {report}");
    }
    let hidden = page.slice("id=\"backend-4104\"", "</tr>");
    assert!(
        hidden.contains("it can't be told for sure what in it is a literal"),
        "{hidden}"
    );
    page.in_order(&[
        "id=\"backend-4711\"",
        "id=\"backend-4101\"",
        "id=\"backend-4200\"",
    ]);
}

#[tokio::test]
async fn who_waits_stands_below_whom_they_wait_for() {
    let page = get("/database", Scenario::Mixed).await;
    let waits = page.slice("id=\"blocking-title\"", "</section>");
    let at = |part: &str| {
        waits
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing in {waits}"))
    };
    assert!(at("#backend-4101") < at("holds up 2"));
    assert!(at("#backend-4101") < at("#backend-4102") && at("#backend-4102") < at("#backend-4103"));
    assert_eq!(
        waits.matches("<ul").count(),
        3,
        "a list in a list in a list: {waits}"
    );
    let waiter = page.slice("id=\"backend-4102\"", "</tr>");
    assert!(
        waiter.contains("waits for 4101") && waiter.contains("holds up 1"),
        "{waiter}"
    );
    get("/database", Scenario::Calm)
        .await
        .has("Nobody waits for a lock.");
}

#[tokio::test]
async fn what_is_protected_says_why_and_offers_nothing() {
    let page = get("/database", Scenario::Mixed).await;
    for (pid, why) in [
        (3_001, "streams WAL to standby"),
        (3_002, "sends a base backup"),
        (3_003, "pg_dump"),
    ] {
        let row = page.slice(&format!("id=\"backend-{pid}\""), "</tr>");
        assert!(row.contains("Never touched: ") && row.contains(why), "{row}");
        assert!(!row.contains("/actions/new"), "{row}");
    }
    page.has("1 session is active for longer than 5 min now. Left out: 3002 (sends a base backup).");
}

#[tokio::test]
async fn an_operator_is_led_on_and_others_are_not() {
    let page = get("/database", Scenario::Mixed).await;
    let backend = "4711%402026-11-24T20%3A00%3A31.123456Z";
    page.has(&format!(
        "/actions/new?kind=cancel_query&amp;node=primary&amp;backend={backend}&amp;query_start=2026-11-24T22%3A01%3A03.654321Z"
    ));
    page.has(&format!(
        "/actions/new?kind=terminate_backend&amp;node=primary&amp;backend={backend}"
    ));
    page.has("value=\"terminate_long_running\"");
    // An idle session has no query to cancel.
    let idle = page.slice("id=\"backend-4200\"", "</tr>");
    assert!(
        !idle.contains("cancel_query") && idle.contains("terminate_backend"),
        "{idle}"
    );
    for role in [Role::Viewer, Role::Auditor] {
        let mut context = request("/database");
        context.subject = Some(quarterdeck_domain::access::Subject { role, ..subject() });
        let page = get_as("/database", Scenario::Mixed, context).await;
        page.has("id=\"backend-4711\"").lacks("/actions/new");
    }
}

#[tokio::test]
async fn a_filter_stands_in_the_address_and_in_the_form() {
    let page = get(
        "/database?state=idle_in_transaction&longer_than_s=45&user=gone",
        Scenario::Mixed,
    )
    .await;
    page.has("id=\"backend-4101\"").lacks("id=\"backend-4711\"");
    page.has("1 of 10");
    let form = page.slice("class=\"session-filter\"", "</form>");
    for part in [
        "<option value=\"idle_in_transaction\" selected",
        "<option value=\"45\" selected",
        "<option value=\"gone\" selected",
        "Show all",
    ] {
        assert!(form.contains(part), "{part:?} is missing in {form}");
    }
    get("/database?application=nothing-of-that-name", Scenario::Mixed)
        .await
        .has("No session matches.");
    assert_eq!(get("/database?state=busy", Scenario::Mixed).await.status, 400);
    assert_eq!(get("/database?node=other", Scenario::Mixed).await.status, 404);
}

#[tokio::test]
async fn a_node_that_does_not_answer_leaves_the_others_a_link_away() {
    let page = get("/database?node=primary", Scenario::Blind).await;
    assert_eq!(page.status, 503);
    page.has("does not answer within 3000 ms")
        .has("href=\"/database?node=standby\"");
}

#[tokio::test]
async fn a_missing_privilege_comes_with_its_grant() {
    get("/database", Scenario::Storm)
        .await
        .has("GRANT pg_signal_backend TO quarterdeck_monitor;");
}

#[tokio::test]
async fn the_page_is_reached_from_everywhere() {
    let page = get("/", Scenario::Calm).await;
    assert!(
        page.html.matches("href=\"/database\"").count() >= 2,
        "navigation and panel"
    );
}
