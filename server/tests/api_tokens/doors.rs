//! A token on every door: exactly what it was given and its owner may, on calls and on nothing else.

use std::collections::BTreeMap;

use axum::http::Method;
use quarterdeck::http::doors::Access;
use quarterdeck_domain::access::{Delegation, Permission, Role};
use reqwest::StatusCode;

use crate::makes::{Program, ask_for, console, make};

fn path(registered: &str) -> String {
    registered.replace("{id}", "latency").replace("{seq}", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_calls_that_it_was_given_and_no_other_door() {
    let (_database, deck) = console().await;
    let program = Program::new(&deck);
    for role in Role::ALL {
        let owner = deck.signed_in(role.as_str()).await;
        // One token for each permission that there is, as far as the owner may give it away.
        let mut tokens = BTreeMap::new();
        for permission in Permission::ALL {
            let asked = ask_for(&owner, permission.as_str(), "7", &[permission.as_str()]).await;
            if asked.location == "/account/tokens?notice=made" {
                let html = owner.get(&asked.location).await.body;
                tokens.insert(permission.as_str(), crate::makes::shown(&html).unwrap());
            } else {
                assert!(
                    asked
                        .body
                        .contains("It can't be given more than you may do yourself"),
                    "{role} {permission:?}: {}",
                    asked.body
                );
            }
        }
        assert!(tokens.contains_key("health.view"), "{role}");
        for door in &deck.doors {
            let path = path(&door.path);
            let knock = async |token: &str| match door.method {
                Method::GET => program.get(&path, token).await,
                _ => program.post(&path, token, "{}").await,
            };
            match door.access {
                Access::Public => {}
                Access::Call(needed) => {
                    for (given, token) in &tokens {
                        // Streams are asked once, by the token that may; they do not end by themselves.
                        if path == "/api/v1/events" && *given == needed.as_str() {
                            continue;
                        }
                        let answer = knock(token).await;
                        let refused = answer.status == StatusCode::FORBIDDEN;
                        assert_eq!(
                            !refused,
                            *given == needed.as_str(),
                            "{role} {given} {path} {answer:?}"
                        );
                        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{role} {given} {path}");
                    }
                    for nonsense in ["qd_", "x", &format!("qd_{}", "A".repeat(43))] {
                        let answer = knock(nonsense).await;
                        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {nonsense}");
                        assert_eq!(answer.content_type, "application/problem+json");
                    }
                }
                // Pages are for people.
                Access::Page(_) | Access::Form(_) => {
                    for token in tokens.values() {
                        let answer = knock(token).await;
                        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{role} {path}");
                        assert!(answer.location.starts_with("/sign-in"), "{}", answer.location);
                    }
                }
            }
        }
    }
    deck.stop().await;
}

#[test]
fn nothing_that_agrees_can_be_given_to_a_token() {
    for permission in Permission::ALL {
        if permission.as_str().contains("approve") {
            assert_eq!(permission.delegation(), Delegation::PersonOnly, "{permission:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_how_to_send_one() {
    let (_database, deck) = console().await;
    let browser = deck.signed_in("viewer").await;
    let token = make(&browser, "script", &["health.view"]).await;
    let answer = Program::new(&deck).get("/api/v1/openapi.json", &token).await;
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let scheme = &document["components"]["securitySchemes"]["api_token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&"http".into(), &"bearer".into())
    );
    assert!(
        document["security"]
            .as_array()
            .unwrap()
            .iter()
            .any(|way| way.get("api_token").is_some())
    );
    deck.stop().await;
}
