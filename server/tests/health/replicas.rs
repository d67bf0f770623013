//! Two consoles of one installation.

use quarterdeck_domain::{access::Role, health::Band};
use quarterdeck_estate::parts::{Prometheus, Redis};

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, Sources, account, eventually},
    exporter::Exporter,
};

async fn leads(deck: &Deck) -> bool {
    let metrics = Browser::new(&deck.base).get("/metrics").await.body;
    metrics.lines().any(|line| line == "quarterdeck_poller_leader 1")
}

async fn polls(deck: &Deck) -> u64 {
    let metrics = Browser::new(&deck.base).get("/metrics").await.body;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("quarterdeck_poll_duration_seconds_count"))
        .unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_polls_for_both_and_the_other_takes_over() {
    let database = TestDatabase::migrated().await;
    account(&database, "vera", Role::Viewer).await;
    let redis = Redis::start().unwrap();
    let redis_url = redis.url();
    let exporter = Exporter::start("latency_ms 20\n").await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let sources = || Sources {
        database_url: database.config().url,
        prometheus: Box::leak(prometheus.url().into_boxed_str()),
        redis: Some(&redis_url),
        more: "",
    };
    let first = Deck::start(sources()).await;
    eventually("the first to lead", async || leads(&first).await).await;
    let second = Deck::start(sources()).await;
    let browser = second.signed_in("vera").await;
    eventually("the snapshot at the second", async || {
        browser.tile("latency").await.band == Band::Ok
    })
    .await;
    assert!(!leads(&second).await);
    // Both show the same state under the same event.
    let (here, there) = (
        browser.overview().await,
        first.signed_in("vera").await.overview().await,
    );
    assert_eq!(here.event_id.split('-').next(), there.event_id.split('-').next());
    let before = polls(&second).await;
    exporter.set("latency_ms 70\n");
    eventually("a change through Redis", async || {
        browser.tile("latency").await.band == Band::Degraded
    })
    .await;
    assert_eq!(polls(&second).await, before, "the second does not ask Prometheus");
    let since = browser.tile("latency").await.since_ms;

    let died = std::time::Instant::now();
    first.kill().await;
    eventually("the second to lead", async || leads(&second).await).await;
    assert!(died.elapsed().as_secs() < 10, "took {:?}", died.elapsed());
    exporter.set("latency_ms 170\n");
    eventually("a change at the second", async || {
        browser.tile("latency").await.band == Band::Alert
    })
    .await;
    assert!(browser.tile("latency").await.since_ms > since);
    let history = browser.get("/api/v1/health/latency/transitions").await.body;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&history).unwrap();
    let bands: Vec<_> = rows.iter().rev().map(|r| r["to"].as_str().unwrap()).collect();
    assert_eq!(bands, ["ok", "degraded", "alert"], "nothing twice, nothing lost");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_follower_polls_for_itself_and_stores_nothing() {
    let database = TestDatabase::migrated().await;
    account(&database, "vera", Role::Viewer).await;
    let redis = Redis::start().unwrap();
    let redis_url = redis.url();
    let exporter = Exporter::start("latency_ms 20\n").await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let prometheus_url = prometheus.url();
    let sources = || Sources {
        database_url: database.config().url,
        prometheus: &prometheus_url,
        redis: Some(&redis_url),
        more: "",
    };
    let first = Deck::start(sources()).await;
    eventually("the first to lead", async || leads(&first).await).await;
    let second = Deck::start(sources()).await;
    let browser = second.signed_in("vera").await;
    eventually("the snapshot at the second", async || {
        browser.tile("latency").await.band == Band::Ok
    })
    .await;
    redis.kill();
    exporter.set("latency_ms 170\n");
    eventually("the change all the same", async || {
        browser.tile("latency").await.band == Band::Alert
    })
    .await;
    assert!(!leads(&second).await);
    eventually("the stored change", async || {
        browser
            .get("/api/v1/health/latency/transitions")
            .await
            .body
            .contains("\"to\":\"alert\"")
    })
    .await;
    let history = browser.get("/api/v1/health/latency/transitions").await.body;
    assert_eq!(history.matches("\"to\":\"alert\"").count(), 1, "{history}");
    redis.restart().unwrap();
    // It polls for itself twice a second until it hears the leader again.
    eventually("the snapshots again", async || {
        let before = polls(&second).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        polls(&second).await == before
    })
    .await;
    first.stop().await;
    second.stop().await;
}
