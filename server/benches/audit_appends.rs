//! Audit appends a second on a real, durable PostgreSQL: one event a transaction with several writers, and batched.
//!
//! `cargo bench -p quarterdeck --bench audit_appends`. The baseline of the same run is a plain insert of the same text,
//! one a transaction, into a table without any chain.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "figures for a person; what fails ends it"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck::clock::SystemClock;
use quarterdeck::config::database::DatabaseConfig;
use quarterdeck::db;
use quarterdeck::entropy::SystemEntropy;
use quarterdeck::services::audit::{EventMaker, Origin, Recorder, append, verify_database};
use quarterdeck_domain::audit::{Action, Actor, Detail, Event, Object, Outcome};
use quarterdeck_estate::parts::{Postgres, PostgresOptions};
use sqlx::PgPool;

const TIME: Duration = Duration::from_secs(3);

fn event(maker: &EventMaker) -> Event {
    maker.event(
        &Origin {
            address: Some([192, 0, 2, 1].into()),
            ..Origin::default()
        },
        Actor::CommandLine {
            name: "cli:bench".into(),
        },
        Action::SessionOpened,
        Object::new("session", "bench"),
        Outcome::Succeeded,
        Detail::none().with(
            "user_agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        ),
    )
}

/// Runs `writers` copies of `work` for [`TIME`], and gives calls a second.
async fn rate<F: Future<Output = ()> + Send>(
    writers: usize,
    work: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let work = work.clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while begun.elapsed() < TIME {
                    work().await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a writer");
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

async fn plain(pool: PgPool, text: String) {
    sqlx::query("insert into public.plain (canonical) values ($1)")
        .bind(text)
        .execute(&pool)
        .await
        .expect("a row");
}

async fn single(pool: PgPool, event: Event) {
    let mut transaction = pool.begin().await.expect("a transaction");
    append(&mut transaction, &event).await.expect("an event");
    transaction.commit().await.expect("a commit");
}

#[tokio::main]
async fn main() {
    let cluster = Postgres::start_with(&PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    })
    .expect("a durable PostgreSQL");
    cluster.create_role("deck_owner", "").expect("a role");
    cluster.create_role("deck_console", "").expect("a role");
    cluster.create_database("deck", "deck_owner").expect("a database");
    cluster
        .sql("deck", "create table public.plain (id bigint generated always as identity primary key, canonical text); grant insert on public.plain to public")
        .expect("the baseline's table");
    let config = DatabaseConfig {
        url: cluster.url_as("deck_console", "deck"),
        owner_url: Some(cluster.url_as("deck_owner", "deck")),
        max_connections: 64,
        ..DatabaseConfig::default()
    };
    db::migrate(&config).await.expect("the schema");
    let pool = db::pool_of(&Arc::new(db::runtime_hosts(&config).expect("a URL")), &config);
    let maker = EventMaker::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
    let (recorder, _worker) = Recorder::start(pool.clone());

    println!(
        "{:>8} {:>16} {:>16} {:>8} {:>16} {:>8}",
        "writers", "plain insert/s", "one by one/s", "ratio", "batched/s", "ratio"
    );
    for writers in [1, 4, 16, 64, 256] {
        let connections = writers.min(64);
        let text = event(&maker).canonical().expect("a text");
        let baseline = rate(connections, {
            let pool = pool.clone();
            move || plain(pool.clone(), text.clone())
        })
        .await;
        let one_by_one = rate(connections, {
            let (pool, maker) = (pool.clone(), maker.clone());
            move || single(pool.clone(), event(&maker))
        })
        .await;
        let batched = rate(writers, {
            let (recorder, maker) = (recorder.clone(), maker.clone());
            move || {
                let (recorder, event) = (recorder.clone(), event(&maker));
                async move { recorder.record(&event).await.expect("a recorded event") }
            }
        })
        .await;
        println!(
            "{writers:>8} {baseline:>16.0} {one_by_one:>16.0} {:>8.2} {batched:>16.0} {:>8.2}",
            one_by_one / baseline,
            batched / baseline
        );
    }
    let mut owner = db::owner_connection(&config).await.expect("a connection");
    let begun = Instant::now();
    let head = verify_database(&mut owner, None)
        .await
        .expect("a chain that holds");
    println!(
        "verified {} rows at {:.0} rows/s",
        head.seq,
        head.seq as f64 / begun.elapsed().as_secs_f64()
    );
}
