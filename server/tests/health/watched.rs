//! A console that watches a real Prometheus, seen by somebody who is signed in.

use quarterdeck_domain::{access::Role, health::Band};
use quarterdeck_estate::parts::Prometheus;

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, Sources, account, eventually},
    exporter::Exporter,
};

/// The parts of it; what a test binds lives as long as the test.
pub struct Watched {
    pub database: TestDatabase,
    pub exporter: Exporter,
    pub prometheus: Prometheus,
    pub deck: Deck,
    pub browser: Browser,
}

impl Watched {
    /// Exports `text` and waits until its latency is read and well.
    pub async fn start(text: &str) -> Self {
        let database = TestDatabase::migrated().await;
        account(&database, "vera", Role::Viewer).await;
        let url = database.config().url;
        Self::start_on(database, url, text).await
    }

    /// The same on a database that is there, reached by an address of the test's.
    pub async fn start_on(database: TestDatabase, database_url: String, text: &str) -> Self {
        let exporter = Exporter::start(text).await;
        let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
        let deck = Deck::start(Sources {
            database_url,
            prometheus: &prometheus.url(),
            redis: None,
            more: "",
        })
        .await;
        let browser = deck.signed_in("vera").await;
        eventually("a healthy reading", async || {
            browser.tile("latency").await.band == Band::Ok
        })
        .await;
        Self {
            database,
            exporter,
            prometheus,
            deck,
            browser,
        }
    }
}
