//! Every door of the console, and who may come through it. The list is the router's own: a door that is added
//! without a decision fails here.

use axum::http::Method;
use quarterdeck::http::doors::Access;
use quarterdeck_domain::access::{Assurance, Credential, Role, Subject, decide};
use quarterdeck_estate::parts::Prometheus;
use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    database::TestDatabase,
    deck::{Answer, Browser, Deck, Sources, account, eventually, hidden_csrf},
    exporter::Exporter,
};

/// The doors that are open to everybody, written out by hand.
const PUBLIC: [&str; 10] = [
    "GET /-/healthy",
    "GET /-/ready",
    "GET /api/v1/openapi.json",
    "GET /favicon.svg",
    "GET /metrics",
    "GET /pkg/{file}",
    "GET /sign-in",
    "POST /account/theme",
    "POST /sign-in",
    "POST /sign-out",
];

async fn knock(browser: &Browser, method: &Method, path: &str, csrf: &str) -> Answer {
    let path = path
        .replace("{id}", "latency")
        .replace(":id", "latency")
        .replace("{seq}", "1")
        .replace(":seq", "1")
        .replace("{file}", "none.js");
    match *method {
        Method::GET => browser.get(&path).await,
        Method::POST => {
            let path = path.replace("/sessions/latency/", &format!("/sessions/{}/", Uuid::nil()));
            browser
                .post(
                    &path,
                    &[
                        ("csrf", csrf),
                        ("username", "nobody"),
                        ("password", "x"),
                        ("theme", "dark"),
                    ],
                )
                .await
        }
        _ => panic!("a door with {method}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_lets_in_whom_it_should_and_nobody_else() {
    let database = TestDatabase::migrated().await;
    for role in Role::ALL {
        account(&database, role.as_str(), role).await;
    }
    let exporter = Exporter::start("latency_ms 20\n").await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let url = database.config().url;
    let deck = Deck::start(Sources {
        database_url: url,
        prometheus: &prometheus.url(),
        redis: None,
        more: "",
    })
    .await;
    let nobody = Browser::new(&deck.base);
    eventually("readiness", async || {
        nobody.get("/-/ready").await.status == StatusCode::OK
    })
    .await;

    let name = |door: &quarterdeck::http::doors::Door| format!("{} {}", door.method, door.path);
    let mut public: Vec<String> = deck
        .doors
        .iter()
        .filter(|d| d.access == Access::Public)
        .map(name)
        .collect();
    public.sort();
    assert_eq!(public, PUBLIC, "a door was opened to everybody, or closed");
    assert!(
        deck.doors.len() > PUBLIC.len() + 8,
        "the list is not the router's"
    );

    // Nobody.
    let csrf = hidden_csrf(&nobody.get("/sign-in").await.body);
    for door in &deck.doors {
        let answer = knock(&nobody, &door.method, &door.path, &csrf).await;
        match door.access {
            Access::Public => {
                assert!(
                    !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
                        && !answer.status.is_server_error(),
                    "{} {answer:?}",
                    name(door)
                );
            }
            Access::Call(_) => {
                assert_eq!(
                    answer.status,
                    StatusCode::UNAUTHORIZED,
                    "{} {answer:?}",
                    name(door)
                );
                assert_eq!(answer.content_type, "application/problem+json", "{}", name(door));
            }
            Access::Page(_) | Access::Form(_) => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{} {answer:?}", name(door));
                assert!(
                    answer.location.starts_with("/sign-in"),
                    "{} leads to {}",
                    name(door),
                    answer.location
                );
            }
        }
    }

    // Everybody who has an account.
    for role in Role::ALL {
        let browser = deck.signed_in(role.as_str()).await;
        let csrf = hidden_csrf(&browser.get("/account/sessions").await.body);
        let subject = Subject {
            user_id: Uuid::nil(),
            username: role.as_str().into(),
            display_name: String::new(),
            role,
            credential: Credential::Session(Uuid::nil()),
            assurance: Assurance::Current,
        };
        for door in &deck.doors {
            // Streams do not end, and signing out ends the session: both are tested by themselves.
            if door.path == "/api/v1/events"
                || door.path == "/sign-out"
                || door.path == "/account/sessions/revoke-others"
            {
                continue;
            }
            let permission = match door.access {
                Access::Public => continue,
                Access::Call(p) | Access::Page(p) | Access::Form(p) => p,
            };
            let answer = knock(&browser, &door.method, &door.path, &csrf).await;
            let led_away = answer.location.starts_with("/sign-in");
            let refused =
                led_away || matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert_eq!(
                !refused,
                decide(&subject, permission).is_allowed(),
                "{role} {} {answer:?}",
                name(door)
            );
            assert!(
                !answer.status.is_server_error(),
                "{role} {} {answer:?}",
                name(door)
            );
        }
    }

    // A form without its code, and one sent by another site, change nothing.
    let browser = deck.signed_in("viewer").await;
    for door in deck.doors.iter().filter(|d| matches!(d.access, Access::Form(_))) {
        let answer = knock(&browser, &door.method, &door.path, "forged").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {answer:?}", name(door));
    }
    let unknown = browser.get("/no/such/page").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/api/v1/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/health/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        browser.get("/api/v1/health/nothing").await.status,
        StatusCode::NOT_FOUND
    );
    deck.stop().await;
}
