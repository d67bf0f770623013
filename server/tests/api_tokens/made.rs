//! Making a token: shown once, kept as a hash, recorded, and given no more than its owner may.

use quarterdeck::db;
use quarterdeck_domain::audit::{Action, Event};
use reqwest::StatusCode;

use crate::deck::eventually;
use crate::makes::{Program, ask_for, console, first_id, make, revoke, shown};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_kept_as_a_hash_and_recorded() {
    let (database, deck) = console().await;
    let browser = deck.signed_in("auditor").await;
    let token = make(&browser, "nightly report", &["audit.view", "health.view"]).await;
    assert!(token.starts_with("qd_") && token.len() == 46, "{token}");
    let again = browser.get("/account/tokens?notice=made").await.body;
    assert_eq!(shown(&again), None, "it is shown once");
    assert!(!again.contains(&token) && again.contains(&token[..9]));

    let pool = database.pool();
    let kept: Vec<(String, bool)> =
        sqlx::query_as("select t::text, hash = sha256(convert_to($1, 'UTF8')) from quarterdeck.api_tokens t")
            .bind(&token)
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1 && !kept[0].0.contains(&token[9..]), "{kept:?}");

    // What it is used for says so, and a refusal is recorded with its name.
    let program = Program::new(&deck);
    assert_eq!(program.get("/api/v1/audit", &token).await.status, StatusCode::OK);
    let refused = program.get("/api/v1/audit/export", &token).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("the API token was not given it"),
        "{}",
        refused.body
    );
    let latest =
        async |action: Action| -> Vec<Event> { db::audit::latest(&pool, Some(action), 9).await.unwrap() };
    eventually("the record of the refusal", async || {
        latest(Action::AccessRefused).await.len() == 1
    })
    .await;
    let refusal = latest(Action::AccessRefused).await.remove(0);
    assert_eq!(refusal.actor.name(), Some("auditor"));
    assert_eq!(refusal.detail.text("reason"), Some("scope"));
    let label = format!("nightly report ({}…)", &token[..9]);
    assert_eq!(refusal.detail.text("api_token"), Some(label.as_str()));

    let id = first_id(&browser).await;
    assert_eq!(
        revoke(&browser, &id).await.location,
        "/account/tokens?notice=revoked"
    );
    assert_eq!(
        revoke(&browser, &id).await.location,
        "/account/tokens?error=no-such-token"
    );
    let made = latest(Action::ApiTokenCreated).await;
    let revoked = latest(Action::ApiTokenRevoked).await;
    assert_eq!((made.len(), revoked.len()), (1, 1));
    assert_eq!(made[0].detail.text("scopes"), Some("audit.view health.view"));
    assert_eq!(
        (made[0].object.id.as_str(), revoked[0].object.id.as_str()),
        (id.as_str(), id.as_str())
    );
    for event in made.iter().chain(&revoked) {
        assert!(
            !event.canonical().unwrap().contains(&token[9..]),
            "no secret in the log"
        );
    }
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_cannot_be_is_refused_with_what_to_change() {
    let (_database, deck) = console().await;
    let viewer = deck.signed_in("viewer").await;
    let long = "x".repeat(61);
    for (name, days, scopes, error) in [
        ("", "7", &["health.view"][..], "name"),
        (long.as_str(), "7", &["health.view"], "name"),
        ("a\u{7}b", "7", &["health.view"], "name"),
        ("script", "0", &["health.view"], "days"),
        ("script", "366", &["health.view"], "days"),
        ("script", "for ever", &["health.view"], "days"),
        ("script", "7", &[], "no-scope"),
        ("script", "7", &["nonsense"], "scope"),
        // More than the person may, and what no token can be given.
        ("script", "7", &["health.view", "audit.view"], "scope"),
        ("script", "7", &["own_tokens.manage"], "scope"),
        ("script", "7", &["own_sessions.revoke"], "scope"),
    ] {
        let answer = ask_for(&viewer, name, days, scopes).await;
        assert_eq!(
            answer.location,
            format!("/account/tokens?error={error}"),
            "{name} {days} {scopes:?}"
        );
        let page = viewer.get(&answer.location).await;
        assert!(page.body.contains("No token was made"), "{error}");
    }
    let admin = deck.signed_in("admin").await;
    let all = ask_for(&admin, "everything", "7", &["accounts.manage"]).await;
    assert_eq!(all.location, "/account/tokens?error=scope");
    for i in 0..20 {
        make(&admin, &format!("token {i}"), &["health.view"]).await;
    }
    let more = ask_for(&admin, "one more", "7", &["health.view"]).await;
    assert_eq!(more.location, "/account/tokens?error=too-many");
    let id = first_id(&admin).await;
    // Somebody else's token is nobody's business.
    assert_eq!(
        revoke(&viewer, &id).await.location,
        "/account/tokens?error=no-such-token"
    );
    revoke(&admin, &id).await;
    make(&admin, "room again", &["health.view"]).await;
    deck.stop().await;
}
