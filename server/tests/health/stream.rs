//! The event stream: what changed, from where one left off, and the end of it.

use quarterdeck_app::view::health::{DeltaView, OverviewView};
use quarterdeck_domain::health::Band;
use reqwest::StatusCode;

use crate::{
    deck::{Browser, hidden_csrf},
    watched::Watched,
};

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_pushed_and_a_viewer_goes_on_where_it_left_off() {
    let Watched {
        database: _database,
        exporter,
        prometheus: _prometheus,
        deck,
        browser,
    } = Watched::start("latency_ms 20\n").await;
    let mut seen = browser.overview().await;

    let mut events = browser.events(&seen.event_id).await;
    exporter.set("latency_ms 150\n");
    let before = seen.event_id.clone();
    while seen.tiles().find(|t| t.id == "latency").unwrap().band != Band::Alert {
        let event = events.next_named("delta").await;
        let mut delta: DeltaView = serde_json::from_str(&event.data).unwrap();
        delta.event_id = event.id;
        seen.apply(&delta);
    }
    assert_eq!(seen.tiles().next().unwrap().value, Some(150.0));
    drop(events);

    // Back from a broken connection: what was missed comes, and no snapshot.
    let mut again = browser.events(&before).await;
    again.next_named("tick").await;
    let first = again.next().await.unwrap();
    assert_eq!(first.name, "delta");
    // Somebody who comes with an event of another life gets everything.
    let mut stranger = browser.events("never-1").await;
    stranger.next_named("tick").await;
    let first = stranger.next().await.unwrap();
    assert_eq!(first.name, "snapshot");
    let whole: OverviewView = serde_json::from_str(&first.data).unwrap();
    assert_eq!(whole.tiles().count(), 2);
    deck.stop().await;
    // An orderly stop ends the streams, so that it does not wait for them.
    while again.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session() {
    let Watched {
        database: _database,
        exporter: _exporter,
        prometheus: _prometheus,
        deck,
        browser: watching,
    } = Watched::start("latency_ms 20\n").await;
    let other = deck.signed_in("vera").await;
    let mut events = watching.events("").await;
    assert_eq!(events.next().await.unwrap().name, "tick");
    assert_eq!(events.next().await.unwrap().name, "snapshot");

    let csrf = hidden_csrf(&other.get("/account/sessions").await.body);
    let answer = other
        .post("/account/sessions/revoke-others", &[("csrf", &csrf)])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let revoked = std::time::Instant::now();
    events.next_named("signed_out").await;
    assert!(revoked.elapsed().as_secs() < 5);
    assert_eq!(events.next().await, None);
    assert_eq!(
        watching.get("/api/v1/health").await.status,
        StatusCode::UNAUTHORIZED
    );
    let nobody = Browser::new(&deck.base);
    assert_eq!(
        nobody.get("/api/v1/events").await.status,
        StatusCode::UNAUTHORIZED
    );
    deck.stop().await;
}
