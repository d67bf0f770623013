//! What ends a session or changes an account reaches access tokens at once, whoever did it.

use axum::http::StatusCode;
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::Action;

use crate::console::{Console, PASSWORD, by, eventually};

#[tokio::test]
async fn a_person_sees_their_sessions_and_ends_one() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    console.account("bob", Role::Viewer).await;
    let mut here = console.signed_in("ada").await;
    let mut there = console.signed_in("ada").await;
    let mut bob = console.signed_in("bob").await;
    let subject = serde_json::from_value(here.get("/api/v1/me").await.json()).unwrap();
    let sessions = console.identity.own_sessions(&subject).await.unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session.is_this).count(), 1);
    let other = sessions.iter().find(|session| !session.is_this).unwrap();
    assert_eq!(
        (other.user_agent.as_str(), other.address.as_deref()),
        ("Testfox/1.0", Some("192.0.2.1"))
    );

    // Not somebody else's.
    let path = format!("/account/sessions/{}/revoke", other.id);
    let answer = bob.post(&path, &[]).await;
    assert_eq!(answer.location(), "/account/sessions?error=no-such-session");
    assert_eq!(there.get("/api/v1/me").await.status, StatusCode::OK);

    assert_eq!(
        here.post(&path, &[]).await.location(),
        "/account/sessions?notice=revoked"
    );
    assert_eq!(
        there.get("/api/v1/me").await.status,
        StatusCode::UNAUTHORIZED,
        "at once"
    );
    assert_eq!(here.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(console.identity.own_sessions(&subject).await.unwrap().len(), 1);
    let event = &console.recorded(Action::SessionRevoked).await[0];
    assert_eq!(event.object.id, other.id.to_string());
    assert_eq!(
        here.post(&path, &[]).await.location(),
        "/account/sessions?error=no-such-session"
    );
}

#[tokio::test]
async fn all_the_others_end_together() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut here = console.signed_in("ada").await;
    let mut others = [console.signed_in("ada").await, console.signed_in("ada").await];
    let answer = here.post("/account/sessions/revoke-others", &[]).await;
    assert_eq!(answer.location(), "/account/sessions?notice=revoked-others");
    for other in &mut others {
        assert_eq!(other.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(here.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(console.recorded(Action::SessionRevoked).await.len(), 2);
}

#[tokio::test]
async fn disabling_at_the_command_line_ends_sessions_in_running_consoles() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    assert!(console.accounts.disable(&by(), "ada").await.unwrap());
    eventually("the session to end", async || {
        browser.get("/api/v1/me").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(
        console.browser().sign_in("ada", PASSWORD).await.location(),
        "/sign-in?error=credentials"
    );
    assert!(console.accounts.enable(&by(), "ada").await.unwrap());
    console.signed_in("ada").await;
}

#[tokio::test]
async fn a_new_role_holds_at_once_and_without_signing_in_again() {
    let console = Console::start().await;
    console.account("ada", Role::Admin).await;
    let mut browser = console.signed_in("ada").await;
    assert!(
        console
            .accounts
            .set_role(&by(), "ada", Role::Viewer)
            .await
            .unwrap()
    );
    eventually("the new role", async || {
        let answer = browser.get("/api/v1/me").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["role"] == "viewer"
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    console
        .accounts
        .set_password(&by(), "ada", "another good password".into())
        .await
        .unwrap();
    eventually("the session to end", async || {
        browser.get("/api/v1/me").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(
        console.browser().sign_in("ada", PASSWORD).await.location(),
        "/sign-in?error=credentials"
    );
    assert_eq!(
        console
            .browser()
            .sign_in("ada", "another good password")
            .await
            .location(),
        "/"
    );
}
