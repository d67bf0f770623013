//! What is lost with a source, what stays, and what comes back by itself.

use quarterdeck_app::view::estate::{AlertsView, SourceState};
use quarterdeck_domain::{
    access::Role,
    health::{Band, UnknownReason},
};
use quarterdeck_estate::parts::{Prometheus, Redis};
use reqwest::StatusCode;

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, Sources, account, eventually},
    exporter::Exporter,
    proxy::Proxy,
    watched::Watched,
};

const WELL: &str = "latency_ms 20\ncpu_percent{pod=\"a\"} 10\ncpu_percent{pod=\"b\"} 30\n";

async fn state_of(browser: &Browser, source: &str) -> Option<SourceState> {
    browser
        .overview()
        .await
        .sources
        .iter()
        .find(|s| s.name == source)
        .map(|s| s.state)
}

/// A way to the database that can be cut, and the address that leads through it.
async fn behind_a_proxy(database: &TestDatabase) -> (Proxy, String) {
    let mut url = url::Url::parse(&database.config().url).unwrap();
    let proxy = Proxy::before(url.port().unwrap()).await;
    url.set_port(Some(proxy.port())).unwrap();
    (proxy, url.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_move_through_the_bands_and_the_history_is_kept() {
    let Watched {
        database,
        exporter,
        prometheus,
        deck,
        browser,
    } = Watched::start(WELL).await;
    let url = database.config().url;
    let cpu = browser.tile("cpu").await;
    assert_eq!((cpu.value, cpu.member.as_deref()), (Some(30.0), Some("b")));

    exporter.set("latency_ms 150\ncpu_percent{pod=\"a\"} 90\ncpu_percent{pod=\"b\"} 30\n");
    eventually("the alert", async || {
        browser.tile("latency").await.band == Band::Alert
    })
    .await;
    eventually("the worst pod", async || {
        browser.tile("cpu").await.member.as_deref() == Some("a")
    })
    .await;
    let since = browser.tile("latency").await.since_ms;

    // The page says it in its first HTML.
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("Latency") && page.body.contains("Alert"),
        "{}",
        page.body
    );

    deck.stop().await;
    let deck = Deck::start(Sources {
        database_url: url,
        prometheus: &prometheus.url(),
        redis: None,
        more: "",
    })
    .await;
    let browser = deck.signed_in("vera").await;
    eventually("the alert after a restart", async || {
        browser.tile("latency").await.band == Band::Alert
    })
    .await;
    assert_eq!(
        browser.tile("latency").await.since_ms,
        since,
        "since when survives a restart"
    );
    let history = browser.get("/api/v1/health/latency/transitions").await;
    let rows: serde_json::Value = serde_json::from_str(&history.body).unwrap();
    assert_eq!(
        (&rows[0]["from"], &rows[0]["to"]),
        (&"ok".into(), &"alert".into()),
        "{rows}"
    );
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_prometheus_everything_becomes_unknown_and_comes_back() {
    let Watched {
        database: _database,
        exporter: _exporter,
        prometheus,
        deck,
        browser,
    } = Watched::start(WELL).await;

    prometheus.kill();
    eventually("unknown", async || {
        browser.tile("latency").await.band == Band::Unknown
    })
    .await;
    let overview = browser.overview().await;
    let tile = overview.tiles().next().unwrap();
    assert_eq!(tile.reason, Some(UnknownReason::SourceDown));
    assert_eq!(tile.value, Some(20.0), "the last value is still told");
    assert!(matches!(overview.alerts, AlertsView::Unknown { .. }));
    assert_eq!(state_of(&browser, "Prometheus").await, Some(SourceState::Down));
    assert_ne!(overview.verdict().band, Band::Ok);
    let chart = browser.get("/api/v1/health/latency/range?range=15m").await;
    assert_eq!(
        (chart.status, chart.content_type.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json")
    );
    // Pages stay whole.
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/health/latency").await.status, StatusCode::OK);

    prometheus.restart().unwrap();
    eventually("healthy again", async || {
        browser.tile("latency").await.band == Band::Ok
    })
    .await;
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_ends_and_one_that_is_not_a_number_are_unknown() {
    let Watched {
        database: _database,
        exporter,
        prometheus: _prometheus,
        deck,
        browser,
    } = Watched::start(WELL).await;
    exporter.set("latency_ms NaN\n");
    eventually("not a number", async || {
        browser.tile("latency").await.reason == Some(UnknownReason::NotANumber)
    })
    .await;
    eventually("no data", async || {
        browser.tile("cpu").await.reason == Some(UnknownReason::NoData)
    })
    .await;
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_console_goes_on_showing_and_stores_later() {
    let database = TestDatabase::migrated().await;
    account(&database, "vera", Role::Viewer).await;
    let (proxy, url) = behind_a_proxy(&database).await;
    let watched = Watched::start_on(database, url, WELL).await;
    let Watched {
        exporter, browser, ..
    } = &watched;

    proxy.cut();
    eventually("the loss", async || {
        state_of(browser, "Console database").await == Some(SourceState::Down)
    })
    .await;
    exporter.set("latency_ms 150\n");
    eventually("the alert", async || {
        browser.tile("latency").await.band == Band::Alert
    })
    .await;
    let page = browser.get("/health/latency").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let history = browser.get("/api/v1/health/latency/transitions").await;
    assert_eq!(history.status, StatusCode::SERVICE_UNAVAILABLE);

    proxy.mend();
    eventually("the database again", async || {
        state_of(browser, "Console database").await == Some(SourceState::Up)
    })
    .await;
    eventually("what happened meanwhile in the history", async || {
        let history = browser.get("/api/v1/health/latency/transitions").await;
        history.status == StatusCode::OK && history.body.contains("\"to\":\"alert\"")
    })
    .await;
    watched.deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_starts_without_its_database_takes_the_history_up_later() {
    let Watched {
        database,
        exporter,
        prometheus,
        deck,
        browser,
    } = Watched::start(WELL).await;
    let since = browser.tile("latency").await.since_ms;
    let before = transitions(&browser, "cpu").await;
    deck.stop().await;

    // While the console is away one metric changes and the other does not.
    exporter.set("latency_ms 20\ncpu_percent{pod=\"a\"} 90\n");
    let (proxy, url) = behind_a_proxy(&database).await;
    proxy.cut();
    let deck = Deck::start(Sources {
        database_url: url,
        prometheus: &prometheus.url(),
        redis: None,
        more: "",
    })
    .await;
    // Long enough for a first judgement: the poller waits three seconds to know who polls.
    let nobody = Browser::new(&deck.base);
    eventually("a poll without the database", async || polled(&nobody).await).await;

    proxy.mend();
    eventually("a form code", async || {
        !nobody
            .get("/sign-in")
            .await
            .body
            .contains("name=\"csrf\" value=\"\"")
    })
    .await;
    let browser = deck.signed_in("vera").await;
    eventually("the stored since when", async || {
        browser.tile("latency").await.since_ms == since
    })
    .await;
    assert_eq!(browser.tile("latency").await.band, Band::Ok);
    assert_eq!(transitions(&browser, "latency").await.len(), 1, "nothing changed");
    eventually("the other's change in the history", async || {
        transitions(&browser, "cpu").await.len() == before.len() + 1
    })
    .await;
    let change = &transitions(&browser, "cpu").await[0];
    assert_eq!(
        (&change["from"], &change["to"]),
        (&"ok".into(), &"alert".into()),
        "{change}"
    );
    let cpu = browser.tile("cpu").await;
    assert_eq!(
        (cpu.band, cpu.since_ms),
        (Band::Alert, change["since_ms"].as_i64())
    );
    deck.stop().await;
}

async fn transitions(browser: &Browser, metric: &str) -> Vec<serde_json::Value> {
    let answer = browser.get(&format!("/api/v1/health/{metric}/transitions")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Whether the console has polled, as its figures tell everybody.
async fn polled(browser: &Browser) -> bool {
    let figures = browser.get("/metrics").await.body;
    figures
        .lines()
        .filter_map(|line| line.strip_prefix("quarterdeck_last_poll_timestamp_seconds "))
        .any(|value| value.parse::<f64>().is_ok_and(|at| at > 0.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_starts_while_everything_is_down() {
    let database = TestDatabase::migrated().await;
    account(&database, "vera", Role::Viewer).await;
    let redis = Redis::start().unwrap();
    let exporter = Exporter::start(WELL).await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let (proxy, url) = behind_a_proxy(&database).await;
    redis.kill();
    prometheus.kill();
    proxy.cut();
    let redis_url = redis.url();
    let sources = Sources {
        database_url: url,
        prometheus: &prometheus.url(),
        redis: Some(&redis_url),
        more: "",
    };
    let deck = Deck::start(sources).await;
    let nobody = Browser::new(&deck.base);
    eventually("readiness", async || {
        nobody.get("/-/ready").await.status == StatusCode::OK
    })
    .await;
    let ready = nobody.get("/-/ready").await.body;
    for source in ["Prometheus", "Console database", "Redis"] {
        assert!(ready.contains(source), "{source} is not in {ready}");
    }
    assert_eq!(nobody.get("/-/healthy").await.status, StatusCode::OK);

    proxy.mend();
    prometheus.restart().unwrap();
    redis.restart().unwrap();
    eventually("the database", async || {
        !nobody.get("/-/ready").await.body.contains("Console database")
    })
    .await;
    // The first sign-in waits until keys can be read.
    eventually("a form code", async || {
        !nobody
            .get("/sign-in")
            .await
            .body
            .contains("name=\"csrf\" value=\"\"")
    })
    .await;
    let browser = deck.signed_in("vera").await;
    eventually("a healthy reading", async || {
        browser.tile("latency").await.band == Band::Ok
    })
    .await;
    eventually("Redis", async || {
        state_of(&browser, "Redis").await == Some(SourceState::Up)
    })
    .await;
    deck.stop().await;
}
