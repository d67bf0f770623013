//! What a Prometheus does only by accident, done on command.

use std::time::Duration;

use quarterdeck::{
    clients::{MetricsReader, PrometheusClient, SourceError},
    clock::{Clock, SystemClock},
    config::{
        http_source::{BasicAuth, HttpSourceConfig},
        profile::ProfileConfig,
    },
};
use quarterdeck_domain::health::{Assessment, Band, UnknownReason, assess};

use super::{
    client,
    lying_prometheus::{LyingPrometheus, Mood},
    missing, profile, value,
};

const METRICS: [(&str, &str, &str, &str); 3] =
    [("a", "x", "x", ""), ("b", "y", "y", ""), ("c", "z", "z", "")];

#[tokio::test]
async fn every_lie_makes_metrics_unknown_and_truth_brings_them_back() {
    let source = LyingPrometheus::start();
    let client = client(&source.url(), 0.5);
    let profile = profile(&METRICS);
    let mut reader = MetricsReader::new(profile.clone());
    source.set_value("b", 42.5);

    type Expected = fn(&SourceError) -> bool;
    let failures: [(Mood, Expected); 5] = [
        (Mood::Slow(Duration::from_secs(5)), |e| {
            matches!(e, SourceError::Timeout { .. })
        }),
        (Mood::Status(500), |e| {
            matches!(e, SourceError::HttpStatus { status: 500, .. })
        }),
        (Mood::Status(302), |e| e.to_string().contains("correct the url")),
        (Mood::Malformed, |e| matches!(e, SourceError::Malformed { .. })),
        (Mood::Huge, |e| {
            matches!(e, SourceError::TooLarge { .. } | SourceError::Timeout { .. })
        }),
    ];
    for (mood, is_expected) in failures {
        source.set_mood(mood.clone());
        let poll = reader.read_all(&client, SystemClock.now()).await;
        let failure = poll
            .failure
            .as_ref()
            .unwrap_or_else(|| panic!("{mood:?} went unnoticed"));
        assert!(is_expected(failure), "{mood:?}: {failure:?}");
        assert_eq!(missing(&poll, "a"), UnknownReason::SourceDown, "{mood:?}");

        source.set_mood(Mood::Truthful);
        let poll = reader.read_all(&client, SystemClock.now()).await;
        assert_eq!(
            (poll.failure.as_ref(), value(&poll, "a"), value(&poll, "b")),
            (None, 1.0, 42.5),
            "after {mood:?}"
        );
    }

    let lies = [
        (Mood::Says("NaN"), UnknownReason::NotANumber),
        (Mood::Says("+Inf"), UnknownReason::NotANumber),
        (Mood::Empty, UnknownReason::NoData),
    ];
    for (mood, reason) in lies {
        source.set_mood(mood.clone());
        let poll = reader.read_all(&client, SystemClock.now()).await;
        assert_eq!((missing(&poll, "a"), poll.failure), (reason, None), "{mood:?}");
    }
    for (age_s, is_expected) in [(300, true), (-300, true), (5, false)] {
        source.set_mood(Mood::SampledAgo(age_s));
        let poll = reader.read_all(&client, SystemClock.now()).await;
        let reading = &poll.readings[&profile.metrics()[0].id].reading;
        let judged = assess(reading, &profile.metrics()[0], SystemClock.now());
        assert_eq!(judged.band() == Band::Unknown, is_expected, "{age_s}: {judged:?}");
        if age_s == 300 {
            assert!(matches!(
                judged,
                Assessment::Unknown {
                    reason: UnknownReason::Stale { .. }
                }
            ));
        }
    }

    source.go_down();
    let poll = reader.read_all(&client, SystemClock.now()).await;
    assert!(
        matches!(poll.failure, Some(SourceError::Unreachable { .. })),
        "{:?}",
        poll.failure
    );
    source.set_mood(Mood::Truthful);
    source.come_back();
    assert_eq!(
        value(&reader.read_all(&client, SystemClock.now()).await, "b"),
        42.5
    );
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let source = LyingPrometheus::start();
    source.set_mood(Mood::Huge);
    let mut config = HttpSourceConfig::at(source.url().parse().unwrap());
    config.timeout_s = 30.0;
    config.max_response_bytes = 1_000_000;
    let client = PrometheusClient::new(&config).unwrap();
    assert_eq!(
        client.instant("up", None).await,
        Err(SourceError::TooLarge { limit: 1_000_000 })
    );
}

#[tokio::test]
async fn a_mended_query_goes_back_among_the_others() {
    let source = LyingPrometheus::start();
    let client = client(&source.url(), 20.0);
    let mut reader = MetricsReader::new(profile(&METRICS));
    let now = SystemClock.now();
    source.set_mood(Mood::Refuses(vec!["b"]));
    let poll = reader.read_all(&client, now).await;
    assert_eq!(
        (poll.requests, missing(&poll, "b"), value(&poll, "c")),
        (4, UnknownReason::QueryRefused, 1.0)
    );
    source.set_mood(Mood::Truthful);
    assert_eq!(
        missing(&reader.read_all(&client, now).await, "b"),
        UnknownReason::QueryRefused
    );
    let poll = reader.read_all(&client, now + Duration::from_secs(60)).await;
    assert_eq!(
        (poll.requests, value(&poll, "b"), poll.refused.len()),
        (2, 1.0, 0)
    );
    assert_eq!(reader.read_all(&client, now).await.requests, 1);
}

#[tokio::test]
async fn an_engine_that_refuses_everything_is_tried_again_at_once() {
    let source = LyingPrometheus::start();
    let client = client(&source.url(), 20.0);
    let mut reader = MetricsReader::new(profile(&METRICS));
    let now = SystemClock.now();
    source.set_mood(Mood::Refuses(vec!["a", "b", "c"]));
    let poll = reader.read_all(&client, now).await;
    assert_eq!(
        (poll.refused.len(), missing(&poll, "a")),
        (3, UnknownReason::QueryRefused)
    );
    source.set_mood(Mood::Truthful);
    let poll = reader.read_all(&client, now).await;
    assert_eq!(
        (poll.requests, value(&poll, "a"), poll.refused.len()),
        (1, 1.0, 0)
    );
}

#[tokio::test]
async fn an_engine_that_takes_only_small_queries_gets_small_ones() {
    let source = LyingPrometheus::start();
    let client = client(&source.url(), 20.0);
    let profile = std::sync::Arc::new(ProfileConfig::default().load().unwrap());
    let mut reader = MetricsReader::new(profile.clone());
    source.set_mood(Mood::RefusesMoreThan(6));
    let now = SystemClock.now();
    for _ in 0..4 {
        let poll = reader.read_all(&client, now).await;
        assert_eq!(
            (poll.readings.len(), poll.refused.len(), poll.failure),
            (16, 0, None)
        );
    }
    let settled = reader.read_all(&client, now).await.requests;
    assert!((3..16).contains(&settled), "{settled} requests");
}

#[tokio::test]
async fn credentials_tenant_and_prefix_reach_the_engine() {
    let source = LyingPrometheus::start();
    let mut config = HttpSourceConfig::at(format!("{}/prefix/", source.url()).parse().unwrap());
    config.tenant = Some("skillquest".into());
    config.headers.insert("X-Extra".into(), "more".to_owned().into());
    config.basic_auth = Some(BasicAuth {
        username: "me".into(),
        password: "secret".to_owned().into(),
    });
    PrometheusClient::new(&config)
        .unwrap()
        .instant("up", None)
        .await
        .unwrap();

    config.basic_auth = None;
    let token_file = std::env::temp_dir().join(format!("quarterdeck-token-{}", std::process::id()));
    config.bearer_token_file = Some(token_file.clone());
    let client = PrometheusClient::new(&config).unwrap();
    let unreadable = client.instant("up", None).await.unwrap_err();
    assert!(matches!(unreadable, SourceError::Token { .. }));
    for token in ["first\n", "second\n"] {
        std::fs::write(&token_file, token).unwrap();
        client.alerts().await.unwrap();
    }
    std::fs::remove_file(token_file).unwrap();

    let seen = source.take_seen();
    let told: Vec<_> = seen
        .iter()
        .map(|s| {
            (
                s.method_and_path.as_str(),
                s.headers["authorization"].to_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POST /prefix/api/v1/query", "Basic bWU6c2VjcmV0"),
            ("GET /prefix/api/v1/alerts", "Bearer first"),
            ("GET /prefix/api/v1/alerts", "Bearer second"),
        ]
    );
    assert!(
        seen.iter()
            .all(|s| s.headers["x-scope-orgid"] == "skillquest" && s.headers["x-extra"] == "more")
    );
    assert!(seen[0].body.starts_with("query=up&timeout="), "{}", seen[0].body);
}
