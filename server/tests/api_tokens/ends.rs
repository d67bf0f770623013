//! Whatever happens to a token or to its owner holds at once.

use std::sync::Arc;

use quarterdeck::clock::SystemClock;
use quarterdeck::entropy::{Entropy, SystemEntropy};
use quarterdeck::services::audit::Origin;
use quarterdeck::services::identity::{Accounts, By, Passwords};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::Actor;
use reqwest::StatusCode;

use crate::database::TestDatabase;
use crate::makes::{Program, console, first_id, make, revoke};

/// Accounts as the command line changes them.
fn accounts(database: &TestDatabase) -> (Accounts, By) {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let passwords = Passwords::new(2, Arc::clone(&entropy)).unwrap();
    let by = By {
        actor: Actor::CommandLine {
            name: "cli:test".into(),
        },
        origin: Origin::default(),
    };
    (
        Accounts::new(database.pool(), passwords, Arc::new(SystemClock), entropy),
        by,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_is_revoked_expires_or_its_owner_goes() {
    let (database, deck) = console().await;
    let (accounts, by) = accounts(&database);
    let program = Program::new(&deck);
    let status = async |token: &str| program.get("/api/v1/health", token).await.status;

    let viewer = deck.signed_in("viewer").await;
    let revoked = make(&viewer, "revoked", &["health.view"]).await;
    assert_eq!(status(&revoked).await, StatusCode::OK);
    revoke(&viewer, &first_id(&viewer).await).await;
    assert_eq!(status(&revoked).await, StatusCode::UNAUTHORIZED);

    let expired = make(&viewer, "expired", &["health.view"]).await;
    assert_eq!(status(&expired).await, StatusCode::OK);
    database
        .as_superuser(
            "update quarterdeck.api_tokens
             set created_at = now() - interval '2 days', expires_at = now() - interval '1 second' where name = 'expired'",
        )
        .await;
    assert_eq!(status(&expired).await, StatusCode::UNAUTHORIZED);
    let listed = viewer.get("/account/tokens").await.body;
    assert!(listed.contains("Expired ") && listed.contains("Revoked "));

    // A new password ends sessions; programs go on.
    let kept = make(&viewer, "kept", &["health.view"]).await;
    accounts
        .set_password(&by, "viewer", "another correct horse".into())
        .await
        .unwrap();
    assert_eq!(status(&kept).await, StatusCode::OK);
    // Who is disabled has no token any more, and gets none back.
    assert!(accounts.disable(&by, "viewer").await.unwrap());
    assert_eq!(status(&kept).await, StatusCode::UNAUTHORIZED);
    assert!(accounts.enable(&by, "viewer").await.unwrap());
    assert_eq!(status(&kept).await, StatusCode::UNAUTHORIZED);

    // A token never lets its owner do more than their role does now.
    let auditor = deck.signed_in("auditor").await;
    let reading = make(&auditor, "reading", &["audit.view", "health.view"]).await;
    let read = async || program.get("/api/v1/audit", &reading).await;
    assert_eq!(read().await.status, StatusCode::OK);
    assert!(accounts.set_role(&by, "auditor", Role::Viewer).await.unwrap());
    let answer = read().await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.body.contains("the role viewer does not include it"),
        "{}",
        answer.body
    );
    assert_eq!(status(&reading).await, StatusCode::OK);
    assert!(accounts.set_role(&by, "auditor", Role::Auditor).await.unwrap());
    assert_eq!(read().await.status, StatusCode::OK);
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_with_its_token() {
    let (database, deck) = console().await;
    let (accounts, by) = accounts(&database);
    let program = Program::new(&deck);
    let operator = deck.signed_in("operator").await;
    let token = make(&operator, "board", &["health.view"]).await;
    let mut stream = program.events(&token).await;
    stream.next().await.unwrap();
    revoke(&operator, &first_id(&operator).await).await;
    stream.next_named("signed_out").await;

    let token = make(&operator, "board again", &["health.view"]).await;
    let mut stream = program.events(&token).await;
    stream.next().await.unwrap();
    // From another process: this console hears of it.
    accounts.disable(&by, "operator").await.unwrap();
    stream.next_named("signed_out").await;
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_no_token_works() {
    let (database, deck) = console().await;
    let program = Program::new(&deck);
    let viewer = deck.signed_in("viewer").await;
    let token = make(&viewer, "script", &["health.view"]).await;
    database
        .as_superuser("alter table quarterdeck.api_tokens rename to gone")
        .await;
    let answer = program.get("/api/v1/health", &token).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    deck.stop().await;
}
