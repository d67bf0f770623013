//! The console's own database goes away and comes back: looking goes on, changing does not, and nothing needs a restart.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use quarterdeck_domain::access::Role;
use time::Duration;

use crate::console::{Browser, Console, PASSWORD, eventually};

async fn assurance(browser: &mut Browser) -> String {
    let answer = browser.get("/api/v1/me").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["assurance"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn looking_goes_on_for_a_while_and_changing_stops() {
    let console = Console::start().await;
    console.account("ada", Role::Admin).await;
    let mut browser = console.signed_in("ada").await;
    assert_eq!(assurance(&mut browser).await, "current");

    console.proxy.cut();
    eventually("the console to notice", async || {
        assurance(&mut browser).await == "outage"
    })
    .await;
    let answer = browser.post("/account/sessions/revoke-others", &[]).await;
    assert_eq!(answer.location(), "/account/sessions?error=unavailable");
    let answer = console.browser().sign_in("ada", PASSWORD).await;
    assert_eq!(answer.location(), "/sign-in?error=unavailable");

    // The access token runs out, and can't be renewed: for an hour it is still good for looking.
    console.clock.advance(Duration::seconds(301));
    assert_eq!(assurance(&mut browser).await, "outage");
    console.clock.advance(Duration::seconds(3_500));
    assert_eq!(assurance(&mut browser).await, "outage");
    console.clock.advance(Duration::seconds(200));
    let api = browser.get("/api/v1/me").await;
    assert_eq!(api.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.headers["content-type"], "application/problem+json");
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("own database"), "{}", page.body);
    assert!(
        browser.cookies.contains_key("qd_refresh"),
        "nobody is signed out by an outage"
    );

    console.proxy.mend();
    // The first request renews the session; changes go on as soon as the console hears of revocations again.
    eventually("the console to be itself again", async || {
        let answer = browser.post("/account/sessions/revoke-others", &[]).await;
        answer.location() == "/account/sessions?notice=revoked-others"
    })
    .await;
    assert_eq!(assurance(&mut browser).await, "current");
}

#[tokio::test]
async fn what_was_revoked_during_the_outage_holds_afterwards() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    console.proxy.cut();
    eventually("the console to notice", async || {
        assurance(&mut browser).await == "outage"
    })
    .await;
    // Somebody with another way to the database disables the account; this console can't hear of it yet.
    console
        .accounts
        .disable(&crate::console::by(), "ada")
        .await
        .unwrap();
    assert_eq!(assurance(&mut browser).await, "outage");
    console.proxy.mend();
    eventually("the console to hear of it", async || {
        browser.get("/api/v1/me").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn a_forged_or_foreign_token_gains_nothing_from_an_outage() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let other = Console::start().await;
    other.account("ada", Role::Admin).await;
    let theirs = other.signed_in("ada").await;
    let mut browser = console.browser();
    browser.cookies = theirs.cookies;
    console.proxy.cut();
    let answer = browser.send(Request::get("/api/v1/me"), Body::empty()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}
