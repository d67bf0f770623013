//! Events to look for, and the questions that tests ask.

use quarterdeck::db::{
    self,
    audit::search::{Found, Walk, find},
};
use quarterdeck::services::audit::{Origin, append};
use quarterdeck_domain::audit::{Action, Actor, Detail, Event, Filter, Object, Outcome, Search};
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::deck::{Deck, Sources};
use crate::events::maker;

pub fn user(name: &str) -> Actor {
    Actor::User {
        id: Uuid::from_u128(name.len() as u128),
        name: name.into(),
    }
}

/// An event that happened at `at`.
pub fn event(at: OffsetDateTime, actor: Actor, action: Action, object: Object, outcome: Outcome) -> Event {
    Event {
        recorded_at: at,
        ..maker().event(&Origin::default(), actor, action, object, outcome, Detail::none())
    }
}

/// Writes them in one transaction.
pub async fn write(pool: &PgPool, events: &[Event]) {
    let mut transaction = pool.begin().await.unwrap();
    for event in events {
        append(&mut transaction, event).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Writes many in one statement, as fast as the database chains them.
pub async fn write_many(pool: &PgPool, events: &[Event]) {
    let texts: Vec<String> = events.iter().map(|event| event.canonical().unwrap()).collect();
    for some in texts.chunks(5_000) {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("set local statement_timeout = 0")
            .execute(&mut *transaction)
            .await
            .unwrap();
        db::audit::append(&mut transaction, some).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

pub fn filter(query: &str) -> Filter {
    Search::from_query(query).unwrap().filter
}

pub async fn ask(pool: &PgPool, query: &str, walk: Walk, limit: u16) -> Found {
    let mut connection = pool.acquire().await.unwrap();
    find(&mut connection, &filter(query), walk, limit).await.unwrap()
}

/// The numbers of the rows that fit, the newest first, whatever it takes to find them.
pub async fn numbers(pool: &PgPool, query: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut walk = Walk::Down(None);
    loop {
        let found = ask(pool, query, walk, 7).await;
        numbers.extend(found.rows.iter().map(|row| row.seq));
        walk = Walk::Down(Some(match found.end {
            db::audit::search::End::Full => *numbers.last().unwrap(),
            db::audit::search::End::Budget(seq) => seq,
            db::audit::search::End::Exhausted => return numbers,
        }));
    }
}

/// A console on the database, without a Prometheus.
pub async fn deck(database: &TestDatabase) -> Deck {
    Deck::start(Sources {
        database_url: database.config().url,
        prometheus: "http://127.0.0.1:9",
        redis: None,
        more: "",
    })
    .await
}
