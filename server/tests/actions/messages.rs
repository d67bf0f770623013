//! Messages to people: signed, tried again, and given up where that can be seen.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use quarterdeck::clients::webhook::sign;
use serde_json::{Value, json};

use crate::{
    console::{Bridge, asked, id, look},
    deck::eventually,
};

const SECRET: &str = "a secret of some length";

#[derive(Debug, Default)]
struct Received {
    refuse: u32,
    messages: Vec<(HeaderMap, String)>,
}

/// A receiver that refuses the first `refuse` messages.
async fn receiver(refuse: u32) -> (String, Arc<Mutex<Received>>) {
    let received = Arc::new(Mutex::new(Received {
        refuse,
        ..Received::default()
    }));
    let take = async |State(received): State<Arc<Mutex<Received>>>, headers: HeaderMap, body: String| {
        let mut received = received.lock().unwrap();
        if received.refuse > 0 {
            received.refuse -= 1;
            return StatusCode::BAD_GATEWAY;
        }
        received.messages.push((headers, body));
        StatusCode::NO_CONTENT
    };
    let router = Router::new()
        .route("/hook", post(take))
        .with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_signed_and_sent_until_it_is_taken() {
    let (url, received) = receiver(1).await;
    let bridge = Bridge::with(&format!("[webhook]\nurl = '{url}'\nsecret = '{SECRET}'")).await;
    let (olive, action) = asked(&bridge).await;
    let id = id(&action);
    eventually("the message", async || {
        !received.lock().unwrap().messages.is_empty()
    })
    .await;
    let (headers, body) = received.lock().unwrap().messages[0].clone();
    let signature = headers["quarterdeck-signature"].to_str().unwrap();
    let (at, digits) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(digits, sign(SECRET, at.parse().unwrap(), &body));
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&message["topic"], &message["requester"]),
        (&json!("requested"), &json!("olive"))
    );
    assert!(
        message["url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/actions/{id}")),
        "{message}"
    );
    eventually("that it is known to be delivered", async || {
        look(&olive, &id).await["messages"][0]["state"] == "delivered"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_takes_is_given_up_where_it_is_seen() {
    let (url, _) = receiver(u32::MAX).await;
    let more = format!("[webhook]\nurl = '{url}'\nsecret = '{SECRET}'\nmax_attempts = 1");
    let bridge = Bridge::with(&more).await;
    let (olive, action) = asked(&bridge).await;
    let id = id(&action);
    eventually("that it is given up", async || {
        look(&olive, &id).await["messages"][0]["state"]
            == "given up after 1 attempts: the receiver answered with status 502"
    })
    .await;
}
