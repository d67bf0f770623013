//! The sessions of the watched database as a whole console shows them, from the wire to the HTML.

use quarterdeck_app::view::database::DatabaseSessionsView;
use quarterdeck_domain::access::Role;
use quarterdeck_estate::parts::{Postgres, Prometheus};
use reqwest::StatusCode;
use sqlx::{ConnectOptions, Executor};

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, Sources, account, eventually},
    exporter::Exporter,
};

fn node(name: &str, url: &str) -> String {
    format!("[[postgres]]\nname = '{name}'\nurl = '{url}'\n")
}

async fn sessions(browser: &Browser, query: &str) -> DatabaseSessionsView {
    let answer = browser.get(&format!("/api/v1/database/sessions{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shown_redacted_filtered_and_judged() {
    let (database, watched) = (
        TestDatabase::migrated().await,
        tokio::task::block_in_place(|| Postgres::start().unwrap()),
    );
    tokio::task::block_in_place(|| {
        watched.create_role("watcher", "IN ROLE pg_monitor").unwrap();
        watched.create_role("app", "").unwrap();
    });
    account(&database, "ada", Role::Operator).await;
    let exporter = Exporter::start("latency_ms 20\n").await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let more = node("gone", "postgres://watcher@127.0.0.1:9/postgres")
        + &node("live", &watched.url_as("watcher", "postgres"));
    let sources = Sources {
        database_url: database.config().url,
        prometheus: &prometheus.url(),
        redis: None,
        more: &more,
    };
    let deck = Deck::start(sources).await;
    let browser = deck.signed_in("ada").await;
    let options: sqlx::postgres::PgConnectOptions = watched.url_as("app", "postgres").parse().unwrap();
    let connect = async |application: &str| {
        options
            .clone()
            .application_name(application)
            .connect()
            .await
            .unwrap()
    };
    let (mut report, mut dump) = (connect("report").await, connect("pg_dump").await);
    let running = [
        tokio::spawn(async move {
            report
                .execute("SELECT pg_sleep(600), 'ada@example.com'")
                .await
                .map(drop)
        }),
        tokio::spawn(async move { dump.execute("SELECT pg_sleep(600), $$hunter2$$").await.map(drop) }),
    ];
    // The node that takes writes is the one that is shown, though another one is configured first.
    eventually("the primary is known, and the query runs", async || {
        let answer = browser
            .get("/api/v1/database/sessions?application=report&state=active")
            .await;
        serde_json::from_str::<DatabaseSessionsView>(&answer.body)
            .is_ok_and(|view| view.node == "live" && view.matching == 1)
    })
    .await;

    let view = sessions(&browser, "?application=report").await;
    let backend = &view.backends[0];
    assert_eq!(backend.query.as_deref(), Some("SELECT pg_sleep(?), ?"));
    assert_eq!(
        (backend.user.as_deref(), backend.protection.as_ref()),
        (Some("app"), None)
    );
    let read_back: quarterdeck_domain::database::BackendId = backend.id.parse().unwrap();
    assert_eq!(read_back.pid(), backend.pid);
    assert!(
        quarterdeck_domain::database::instant::read(backend.query_started_at.as_ref().unwrap()).is_some()
    );
    assert_eq!((view.usable, view.matching), (97, 1));
    assert!(view.total > view.matching && view.counts.used >= 2);
    // The role has no right to signal, and the page says what to run.
    assert_eq!(view.missing.len(), 1);
    assert_eq!(view.missing[0].grant, "GRANT pg_signal_backend TO watcher;");

    let protected = sessions(&browser, "?application=pg_dump&state=active").await;
    let why = protected.backends[0].protection.as_deref().unwrap();
    assert!(why.contains("protected_applications"), "{why}");
    assert_eq!(sessions(&browser, "?longer_than_s=3600").await.matching, 0);

    let page = browser.get("/database").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in ["Sessions on live", "SELECT pg_sleep(?), ?", "Never touched"] {
        assert!(page.body.contains(part), "{part:?} is missing in {}", page.body);
    }
    for secret in ["ada@example.com", "hunter2"] {
        assert!(!page.body.contains(secret), "{secret} is told");
    }

    for (query, status) in [
        ("?node=gone", StatusCode::SERVICE_UNAVAILABLE),
        ("?node=other", StatusCode::NOT_FOUND),
        ("?state=busy", StatusCode::BAD_REQUEST),
    ] {
        let answer = browser.get(&format!("/api/v1/database/sessions{query}")).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.content_type, "application/problem+json");
        assert_eq!(browser.get(&format!("/database{query}")).await.status, status);
    }
    for task in running {
        task.abort();
    }
    deck.stop().await;
}

/// However many look, the node is asked once a second.
#[tokio::test(flavor = "multi_thread")]
async fn many_viewers_cost_the_watched_database_no_more_than_one() {
    let (database, watched) = (
        TestDatabase::migrated().await,
        tokio::task::block_in_place(|| Postgres::start().unwrap()),
    );
    account(&database, "ada", Role::Viewer).await;
    let exporter = Exporter::start("latency_ms 20\n").await;
    let prometheus = Prometheus::start(&exporter.scraped()).unwrap();
    let more = node("live", &watched.url("postgres"));
    let sources = Sources {
        database_url: database.config().url,
        prometheus: &prometheus.url(),
        redis: None,
        more: &more,
    };
    let deck = Deck::start(sources).await;
    let browser = deck.signed_in("ada").await;
    let views = futures::future::join_all((0..40).map(|_| sessions(&browser, ""))).await;
    let mut reads: Vec<i64> = views.iter().map(|v| v.read_at_ms).collect();
    let (first, last) = (*reads.iter().min().unwrap(), *reads.iter().max().unwrap());
    reads.sort_unstable();
    reads.dedup();
    let most = usize::try_from((last - first) / 1_000 + 1).unwrap();
    assert!(reads.len() <= most, "{reads:?}");
    deck.stop().await;
}
