//! Access tokens run out, and are renewed without anybody noticing; copies of refresh tokens are.

use axum::http::StatusCode;
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Actor};
use time::Duration;

use crate::console::{Console, eventually};

#[tokio::test]
async fn an_expired_access_token_is_renewed_on_the_way() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    let before = browser.cookies.clone();
    console.clock.advance(Duration::seconds(299));
    assert!(!browser.get("/").await.sets_cookies(), "still good");
    console.clock.advance(Duration::seconds(2));
    let answer = browser.get("/").await;
    assert_eq!((answer.status, answer.sets_cookies()), (StatusCode::OK, true));
    assert_ne!(browser.cookies["qd_refresh"], before["qd_refresh"]);
    assert_ne!(browser.cookies["qd_access"], before["qd_access"]);
    assert!(!browser.get("/api/v1/me").await.sets_cookies());
    // Once more with the new one: the chain goes on.
    console.clock.advance(Duration::seconds(301));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn tabs_that_renew_at_once_all_stay_signed_in() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let browser = console.signed_in("ada").await;
    console.clock.advance(Duration::seconds(301));
    let tabs = futures::future::join_all((0..6).map(|_| {
        let mut tab = browser.clone();
        async move {
            assert_eq!(tab.get("/").await.status, StatusCode::OK);
            tab
        }
    }))
    .await;
    assert!(console.recorded(Action::SessionReuseDetected).await.is_empty());
    // Whichever answer the browser took last, it goes on with that one.
    console.clock.advance(Duration::seconds(301));
    let mut kept = tabs[3].clone();
    assert_eq!(kept.get("/").await.status, StatusCode::OK);
    // The other tabs' tokens were retired with that: whoever has one of them has a copy.
    console.clock.advance(Duration::seconds(301));
    let mut stray = tabs[1].clone();
    assert_eq!(stray.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(console.recorded(Action::SessionReuseDetected).await.len(), 1);
}

#[tokio::test]
async fn a_copy_that_is_used_later_ends_the_session_for_both() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut owner = console.signed_in("ada").await;
    let mut thief = owner.clone();
    thief.cookies.remove("qd_access");
    thief.address = [203, 0, 113, 66];
    console.clock.advance(Duration::seconds(301));
    assert_eq!(owner.get("/").await.status, StatusCode::OK);
    console.clock.advance(Duration::seconds(11));
    let refused = thief.get("/api/v1/me").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.sets_cookies(), "the cookies are taken away");
    assert_eq!(
        owner.get("/api/v1/me").await.status,
        StatusCode::UNAUTHORIZED,
        "the owner's too, at once"
    );

    let events = console.recorded(Action::SessionReuseDetected).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0].actor, events[0].source),
        (&Actor::Anonymous, Some([203, 0, 113, 66].into()))
    );
    assert_eq!(events[0].detail.text("account"), Some("ada"));
}

#[tokio::test]
async fn a_session_ends_when_idle_and_when_old() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut idle = console.signed_in("ada").await;
    console.clock.advance(Duration::hours(24));
    assert_eq!(idle.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);

    let mut busy = console.signed_in("ada").await;
    for _ in 0..59 {
        console.clock.advance(Duration::hours(12));
        assert_eq!(busy.get("/api/v1/me").await.status, StatusCode::OK);
    }
    console.clock.advance(Duration::hours(12));
    assert_eq!(
        busy.get("/api/v1/me").await.status,
        StatusCode::UNAUTHORIZED,
        "thirty days"
    );
}

#[tokio::test]
async fn the_database_holds_no_token() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let browser = console.signed_in("ada").await;
    let dump: String = sqlx::query_scalar(
        "select concat((select string_agg(t::text, ' ') from quarterdeck.refresh_tokens t),
                       (select string_agg(s::text, ' ') from quarterdeck.sessions s),
                       (select string_agg(a.canonical, ' ') from quarterdeck.audit_events a))",
    )
    .fetch_one(&mut console.database.superuser().await)
    .await
    .unwrap();
    assert!(dump.contains("Testfox"));
    for token in browser.cookies.values() {
        let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(token.as_str()) && !dump.contains(&hex));
    }
}

#[tokio::test]
async fn a_new_key_signs_each_day_and_the_old_one_still_counts() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    console.clock.advance(Duration::hours(23) + Duration::minutes(58));
    let mut browser = console.signed_in("ada").await;
    let old = browser.cookies["qd_access"].clone();
    console.clock.advance(Duration::minutes(3));
    // Another person's sign-in finds the key too old and makes a new one.
    let other = console.signed_in("ada").await;
    let kid = |token: &str| token.split('.').next().map(str::to_owned);
    assert_ne!(kid(&other.cookies["qd_access"]), kid(&old));
    let answer = browser.get("/").await;
    assert_eq!(
        (answer.status, answer.sets_cookies()),
        (StatusCode::OK, false),
        "signed with the old key"
    );
    assert_eq!(console.recorded(Action::SigningKeyRotated).await.len(), 2);
}

#[tokio::test]
async fn consoles_that_find_the_key_too_old_together_make_one() {
    let console = Console::start().await;
    console.clock.advance(Duration::hours(25));
    let others: Vec<_> = (0..4)
        .map(|_| crate::console::identity(&console.database.pool(), &console.clock, Default::default()))
        .collect();
    let loads = futures::future::join_all(others.iter().map(|other| other.load())).await;
    loads.into_iter().for_each(|load| load.unwrap());
    let keys = console.recorded(Action::SigningKeyRotated).await;
    assert_eq!(keys.len(), 2, "the first one, and one for them all");
    // What one signs the others accept, the running one included, which heard of it.
    let code = others[0].form_code("binding").unwrap();
    assert!(others[3].is_form_code("binding", &code));
    eventually("the announcement", async || {
        console.identity.is_form_code("binding", &code)
    })
    .await;
    assert!(!console.identity.is_form_code("another", &code));
}
