//! What a whole console tells programs and Prometheus of backups that it has made.

use quarterdeck_domain::access::Role;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    deck::{Browser, eventually},
    house::House,
    makes::{Program, make},
    told::console,
};

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_prometheus_are_told_what_could_be_recovered() {
    let house = House::start().await;
    // The one that is made at once because there is none.
    let deck = console(&house, "[backups.dump]\nschedule = '0 0 29 2 *'").await;
    let operator = deck.signed_in(Role::Operator.as_str()).await;
    let token = make(&operator, "reads", &["backups.view"]).await;
    let other = make(&operator, "other", &["health.view"]).await;
    let program = Program::new(&deck);
    eventually("a dump in the list", async || {
        let answer = program.get("/api/v1/backups?method=dump", &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        json(&answer.body)["total"] == 1
    })
    .await;

    let list = json(&program.get("/api/v1/backups", &token).await.body);
    let name = list["copies"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(list["copies"][0]["method"], "dump", "{list}");
    assert_eq!(list["methods"][0]["method"], "dump", "{list}");
    assert_eq!(list["runs"][0]["method"], "dump", "{list}");
    let none = program.get("/api/v1/backups?condition=damaged", &token).await;
    assert_eq!(json(&none.body)["total"], 0, "{}", none.body);

    // Of its very instant, and of one before it.
    let snapshot = house.manifest(&name).source.instant();
    let at = snapshot
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let asked = program
        .get(&format!("/api/v1/recoverability?at={at}"), &token)
        .await;
    let reach = &json(&asked.body)["at"];
    assert_eq!(reach["reachable"], true, "{}", asked.body);
    assert_eq!(reach["answer"]["answer"], "exactly", "{}", asked.body);
    let asked = program
        .get("/api/v1/recoverability?at=2001-01-01T00:00:00Z", &token)
        .await;
    let reach = &json(&asked.body)["at"];
    assert_eq!(reach["reachable"], false, "{}", asked.body);
    let words = reach["words"].as_str().unwrap();
    assert!(
        words.contains("before all that is stored") && words.contains(&name),
        "{words}"
    );

    for (path, token, status) in [
        ("/api/v1/backups?method=tape", &token, StatusCode::BAD_REQUEST),
        (
            "/api/v1/recoverability?at=yesterday",
            &token,
            StatusCode::BAD_REQUEST,
        ),
        ("/api/v1/backups", &other, StatusCode::FORBIDDEN),
        ("/api/v1/recoverability", &other, StatusCode::FORBIDDEN),
    ] {
        let answer = program.get(path, token).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }

    // Prometheus sees the same, once the worker has looked.
    let prometheus = Browser::new(&deck.base);
    let success = "quarterdeck_backup_last_success_timestamp_seconds{kind=\"dump\"} ";
    eventually("the dump in /metrics", async || {
        prometheus.get("/metrics").await.body.contains(success)
    })
    .await;
    let text = prometheus.get("/metrics").await.body;
    let value = |series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("{series} is not in\n{text}"))
            .parse::<f64>()
            .unwrap()
    };
    let instant = (snapshot - time::OffsetDateTime::UNIX_EPOCH).as_seconds_f64();
    assert!((value(success) - instant).abs() < 0.01, "{text}");
    assert!(value("quarterdeck_backup_bytes{kind=\"dump\"} ") > 0.0, "{text}");
    assert!(
        value("quarterdeck_backup_newest_damaged{kind=\"dump\"} ") < 0.5,
        "{text}"
    );
    assert!(
        value("quarterdeck_recoverability_looked_timestamp_seconds ") >= instant,
        "{text}"
    );
    assert!(value("quarterdeck_recovery_point_age_seconds ") >= 0.0, "{text}");
    // Nothing was restored yet, there is no archive, and no standby.
    for absent in [
        "time_estimate",
        "restore_drill",
        "wal_archive",
        "standby_exposure",
        "kind=\"base\"",
    ] {
        assert!(!text.contains(absent), "{absent} is in\n{text}");
    }
    deck.stop().await;
}
