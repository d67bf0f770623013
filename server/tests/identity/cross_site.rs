//! Requests that another site made the browser send change nothing.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::Action;

use crate::console::{Console, PASSWORD};

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_recorded() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    let code = browser.get("/sign-in").await.body;
    for headers in [
        [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example.org"),
        ],
        [
            ("sec-fetch-site", "same-site"),
            ("origin", "http://127.0.0.1:4000"),
        ],
        [("x-none", ""), ("origin", "https://evil.example.org")],
        [("x-none", ""), ("origin", "null")],
    ] {
        // Even with the right code, which another site can't have.
        let answer = browser.post_raw("/sign-out", &[("csrf", &code)], &headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_eq!(
        browser.get("/api/v1/me").await.status,
        StatusCode::OK,
        "still signed in"
    );
    let events = console.recorded(Action::AccessRefused).await;
    assert_eq!(events.len(), 4);
    assert_eq!(
        (events[0].object.id.as_str(), events[0].detail.text("reason")),
        ("/sign-out", Some("another_site"))
    );
}

#[tokio::test]
async fn a_program_with_a_token_needs_no_code_and_cookies_beside_it_count_for_nothing() {
    use quarterdeck::services::{audit::Origin, identity::api_tokens::NewToken};
    use quarterdeck_domain::access::{Assurance, Credential, Permission, Subject};

    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    console.account("bob", Role::Viewer).await;
    let mut browser = console.signed_in("bob").await;
    let bob = browser.get("/api/v1/me").await.json();
    let ada = console.accounts.list().await.unwrap().remove(0);
    let ada = Subject {
        user_id: ada.id,
        username: ada.username,
        display_name: ada.display_name,
        role: ada.role,
        credential: Credential::Session(uuid::Uuid::nil()),
        assurance: Assurance::Current,
    };
    let new = NewToken {
        id: uuid::Uuid::from_u128(1),
        name: "script".into(),
        days: 1,
        scopes: vec![Permission::ViewHealth],
    };
    let origin = Origin::default();
    let made = console
        .identity
        .make_token(&ada, &new, &PASSWORD.into(), &origin)
        .await
        .unwrap();
    let mut send = async |authorization: &str, path: &str| {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", authorization);
        browser.send(request, Body::from("a=b")).await
    };
    // Bob's cookies come along; the token says that it is ada.
    let bearer = format!("Bearer {}", made.secret);
    let answer = send(&bearer, "/api/v1/change").await;
    assert_eq!(
        (answer.status, &answer.json()["username"]),
        (StatusCode::OK, &"ada".into())
    );
    assert_ne!(bob["username"], "ada");
    // A token that doesn't work is no way around the code, and no way to the cookies.
    let answer = send("Bearer qd_nonsense", "/api/v1/change").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.headers.contains_key("www-authenticate"));
    // Other schemes and other doors don't take it: Bob's cookies count, and want their code.
    for (authorization, path) in [("Basic YTpi", "/api/v1/change"), (bearer.as_str(), "/sign-out")] {
        let answer = send(authorization, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{authorization} {path}");
    }
}

#[tokio::test]
async fn a_form_needs_the_code_of_its_own_session() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    console.account("bob", Role::Viewer).await;
    let mut ada = console.signed_in("ada").await;
    let mut bob = console.signed_in("bob").await;
    let bobs = bob.get("/sign-in").await.body;
    let here = [("sec-fetch-site", "same-origin")];
    for fields in [
        vec![],
        vec![("csrf", "")],
        vec![("csrf", "AAAA")],
        vec![("csrf", bobs.as_str())],
    ] {
        let answer = ada.post_raw("/sign-out", &fields, &here).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{fields:?}");
    }
    assert_eq!(ada.get("/api/v1/me").await.status, StatusCode::OK);
    // In old browsers, which send neither header, the code alone has to hold.
    assert_eq!(
        ada.post_raw("/sign-out", &[], &[]).await.status,
        StatusCode::FORBIDDEN
    );
    let code = ada.get("/sign-in").await.body;
    assert_eq!(
        ada.post_raw("/sign-out", &[("csrf", &code)], &[]).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_site() {
    let console = Console::start().await;
    console.account("mallory", Role::Viewer).await;
    let fields = [("username", "mallory"), ("password", PASSWORD)];
    let mut victim = console.browser();
    let answer = victim
        .post_raw("/sign-in", &fields, &[("sec-fetch-site", "cross-site")])
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Nor with a code that was made for another browser; a page that lay open for too long looks the same.
    let code = console.browser().get("/sign-in").await.body;
    victim.get("/sign-in").await;
    let fields = [
        fields[0],
        fields[1],
        ("csrf", code.as_str()),
        ("next", "/health/x"),
    ];
    let answer = victim
        .post_raw("/sign-in", &fields, &[("sec-fetch-site", "same-origin")])
        .await;
    assert_eq!(answer.location(), "/sign-in?error=stale&next=%2Fhealth%2Fx");
    assert!(!victim.cookies.contains_key("qd_access"));
}

#[tokio::test]
async fn scripts_of_the_console_need_no_form() {
    let console = Console::start().await;
    console.account("ada", Role::Viewer).await;
    let mut browser = console.signed_in("ada").await;
    let json = |site: &str| {
        Request::post("/api/v1/change")
            .header("content-type", "application/json")
            .header("sec-fetch-site", site)
    };
    let answer = browser.send(json("same-origin"), Body::from("{}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = browser.send(json("cross-site"), Body::from("{}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    // What a form of any site could send needs the code, in a header or a field.
    let text = |code: &str| {
        Request::post("/api/v1/change")
            .header("content-type", "text/plain")
            .header("x-quarterdeck-csrf", code)
    };
    assert_eq!(
        browser.send(text(""), Body::from("{}")).await.status,
        StatusCode::FORBIDDEN
    );
    let code = browser.get("/sign-in").await.body;
    assert_eq!(
        browser.send(text(&code), Body::from("{}")).await.status,
        StatusCode::OK
    );
}
