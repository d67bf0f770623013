//! Two nodes that take writes at once: shown on every page, and told once by whichever console leads.

use crate::{
    console::Bridge,
    deck::{Browser, eventually},
    pair::Pair,
};

const BANNER: &str = "Split brain: db-1 and db-2 take writes at once";

/// What was told of it, and how often it is in the audit log.
async fn told(bridge: &Bridge) -> (Vec<String>, i64) {
    let messages = sqlx::query_scalar(
        "select channel || ': ' || (payload ->> 'primaries') from quarterdeck.outbox where topic = 'split_brain' order by id",
    )
    .fetch_all(&bridge.own)
    .await
    .unwrap();
    let recorded =
        sqlx::query_scalar("select count(*) from quarterdeck.audit_events where action = 'cluster.split'")
            .fetch_one(&bridge.own)
            .await
            .unwrap();
    (messages, recorded)
}

async fn read_at(browser: &Browser) -> i64 {
    let body = browser.get("/api/v1/database/topology").await.body;
    let topology: serde_json::Value = serde_json::from_str(&body).unwrap();
    topology["read_at_ms"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_once_whichever_console_leads() {
    let pair = Pair::start();
    let more = format!(
        "{}[webhook]\nurl = 'http://127.0.0.1:9/'\nsecret = 'of sixteen bytes or more'\n",
        pair.configuration("", "")
    );
    let bridge = Bridge::start(&more).await;
    bridge
        .database()
        .as_superuser("update quarterdeck.users set email = username || '@example.org'")
        .await;
    let other = Bridge::console(bridge.database().config().url, "http://127.0.0.1:9", &more).await;
    let april = other.signed_in("april").await;
    assert!(!april.get("/").await.body.contains(BANNER));
    pair.second.sql("postgres", "SELECT pg_promote()").unwrap();
    for browser in [&bridge.april, &april] {
        eventually("the banner", async || {
            browser.get("/").await.body.contains(BANNER)
        })
        .await;
    }
    let once = (vec![r#"webhook: ["db-1", "db-2"]"#.to_owned()], 1);
    eventually("people to be told", async || told(&bridge).await.1 > 0).await;
    assert_eq!(told(&bridge).await, once);

    // The other one leads now, and sees the same.
    let Bridge { deck, own, .. } = &bridge;
    let _ = deck;
    let leads = "select count(*) from pg_stat_activity join pg_locks using (pid)
                 where locktype = 'advisory' and granted and application_name = 'quarterdeck-poller' and datname = current_database()";
    let first: i64 = sqlx::query_scalar(leads).fetch_one(own).await.unwrap();
    assert_eq!(first, 1);
    bridge
        .database()
        .as_superuser(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = 'quarterdeck-poller' and datname = current_database()",
        )
        .await;
    let (here, there) = (read_at(&bridge.april).await, read_at(&april).await);
    eventually("several looks more", async || {
        read_at(&bridge.april).await > here + 3_000 && read_at(&april).await > there + 3_000
    })
    .await;
    assert_eq!(told(&bridge).await, once);
    other.stop().await;
}
