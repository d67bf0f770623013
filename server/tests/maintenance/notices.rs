//! What people are told of maintenance mode, by a real SMTP server, with a real Redis as the switch.

use std::time::Duration;

use quarterdeck::clock::{Clock, SystemClock};
use quarterdeck_estate::parts::Redis;
use redis::Commands;
use serde_json::Value;

use crate::{
    console::{Bridge, state},
    deck::eventually,
    refused::StandIn,
    smtp::{SmtpOptions, SmtpServer},
};

fn subjects(server: &SmtpServer, address: &str) -> Vec<String> {
    server
        .taken_for(address)
        .iter()
        .map(|message| message["headers"]["subject"].as_str().unwrap().to_owned())
        .collect()
}

/// The first message to an address whose subject begins so.
async fn message(server: &SmtpServer, address: &str, subject: &str) -> Value {
    let find = || {
        let taken = server.taken_for(address);
        taken.into_iter().find(|message| {
            message["headers"]["subject"]
                .as_str()
                .is_some_and(|found| found.starts_with(subject))
        })
    };
    eventually(&format!("a message to {address}: {subject}"), async || {
        find().is_some()
    })
    .await;
    find().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_of_the_end_the_overrun_and_what_others_switch() {
    let (service, redis) = (StandIn::start().await, Redis::start().unwrap());
    let server = SmtpServer::start(SmtpOptions::default());
    let sections = format!(
        "{}[maintenance]\nlook_every_s = 1\nverify_within_s = 5\nprobes = [{{ name = 'courses', url = '{}/courses' }}]\n\
         [maintenance.redis]\nurl = '{}'\nkey = 'm'\ntimeout_s = 0.5\n",
        server.section("tls = 'none'"),
        service.url,
        redis.url()
    );
    let bridge = Bridge::start("http://127.0.0.1:9", &sections).await;
    sqlx::query("update quarterdeck.users set email = username || '@example.org'")
        .execute(&bridge.database.pool())
        .await
        .unwrap();
    eventually("the first look", async || {
        bridge.maintenance().await["mode"] == "off"
    })
    .await;

    // Somebody else throws the switch: those who may ask for it are told, and what they look at.
    service.answers(503);
    let mut elsewhere = redis.connection().unwrap();
    let _: () = elsewhere.set("m", "true").unwrap();
    let told = message(
        &server,
        "olive@example.org",
        "Maintenance mode is on, changed by other means",
    )
    .await;
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("was off and is on now, and nobody did that from here")
            && text.contains("courses: 503"),
        "{text}"
    );
    service.answers(200);
    let _: () = elsewhere.del("m").unwrap();
    message(
        &server,
        "olive@example.org",
        "Maintenance mode is off, changed by other means",
    )
    .await;
    assert_eq!(subjects(&server, "april@example.org"), Vec::<String>::new());

    // A maintenance that nobody ends.
    service.answers(503);
    let action = bridge.switch_on(SystemClock.now() + Duration::from_secs(8)).await;
    assert_eq!(state(&action), "succeeded", "{action}");
    let near = message(&server, "olive@example.org", "Maintenance is to be over by").await;
    assert!(
        near["text"]
            .as_str()
            .unwrap()
            .contains("/actions/new?kind=maintenance_off"),
        "{near}"
    );
    let over = message(&server, "olive@example.org", "Maintenance overruns").await;
    assert_eq!(over["headers"]["importance"], "high", "{over}");
    assert!(
        over["text"].as_str().unwrap().contains("users are still refused"),
        "{over}"
    );
}
