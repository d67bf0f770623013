//! A console on a database of its own, a watched server that no other test acts on, and people who use it.

use std::time::Duration;

use quarterdeck::clients::DatabaseSessions;
use quarterdeck_domain::access::Role;
use quarterdeck_estate::parts::Postgres;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    clients::{self, APP, WATCHER},
    database::TestDatabase,
    deck::{Answer, Browser, Deck, Sources, account, eventually},
};

/// What a test works with.
pub struct Bridge {
    pub database: TestDatabase,
    /// What is acted on: "all over a limit" reaches everybody on it, so that tests can't share one.
    pub watched: Postgres,
    pub deck: Deck,
    pub eye: DatabaseSessions,
    more: String,
}

impl Bridge {
    /// With accounts `olive` and `oscar` (operators), `april` and `arthur` (approvers), `adam` (admin), `vera` (viewer).
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// The same with more of a configuration.
    pub async fn with(more: &str) -> Self {
        let database = TestDatabase::migrated().await;
        let watched = tokio::task::block_in_place(|| Postgres::start().unwrap());
        clients::make_roles(&watched);
        for (name, role) in [
            ("olive", Role::Operator),
            ("oscar", Role::Operator),
            ("april", Role::Approver),
            ("arthur", Role::Approver),
            ("adam", Role::Admin),
            ("vera", Role::Viewer),
        ] {
            account(&database, name, role).await;
        }
        let more = format!(
            "[[postgres]]\nname = 'node'\nurl = '{}'\ntimeout_s = 10.0\n{more}",
            watched.url_as(WATCHER, "postgres")
        );
        let deck = start(&database, &more).await;
        Self {
            eye: clients::sessions(&watched, WATCHER),
            database,
            watched,
            deck,
            more,
        }
    }

    /// Another console on the same database.
    pub async fn another(&self) -> Deck {
        start(&self.database, &self.more).await
    }

    pub async fn browser(&self, name: &str) -> Browser {
        self.deck.signed_in(name).await
    }

    /// A client of the watched server that runs `sql`, under an application name of its own.
    pub async fn client(&self, application: &str, sql: &str) {
        clients::client(&self.watched, APP, application, &[sql]).await;
    }

    /// The actions of the audit log about one action, in order.
    pub async fn recorded(&self, id: &str) -> Vec<String> {
        sqlx::query_scalar(
            "select action from quarterdeck.audit_events where object_kind = 'action' and object_id = $1 order by seq",
        )
        .bind(id)
        .fetch_all(&self.database.pool())
        .await
        .unwrap()
    }
}

async fn start(database: &TestDatabase, more: &str) -> Deck {
    Deck::start(Sources {
        database_url: database.config().url,
        // Nothing of this needs it.
        prometheus: "http://127.0.0.1:9",
        redis: None,
        more,
    })
    .await
}

/// Plans: the parameters' proposal, as JSON.
pub async fn plan(browser: &Browser, params: &Value) -> Value {
    let answer = browser
        .post_json("/api/v1/actions/plan", &json!({ "params": params }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// What is sent to ask for a proposal.
pub fn ask(proposal: &Value, more: Value) -> Value {
    let mut body = json!({
        "id": proposal["id"],
        "params": proposal["plan"]["params"],
        "digest": proposal["plan"]["digest"],
        "reason": "The pool is exhausted.",
        "typed": proposal["plan"]["object"],
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// Plans and asks; answers the action.
pub async fn request(browser: &Browser, params: &Value) -> Value {
    let proposal = plan(browser, params).await;
    let answer = browser
        .post_json("/api/v1/actions", &ask(&proposal, json!({})))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Olive asks for the end of a session that is active, for which somebody has to agree; answers her browser and the action.
pub async fn asked(bridge: &Bridge) -> (Browser, Value) {
    bridge.client("x", "select pg_sleep(600)").await;
    clients::active(&bridge.eye, "x").await;
    let olive = bridge.browser("olive").await;
    let params = json!({ "kind": "terminate_long_running", "node": "node", "longer_than_s": 1 });
    eventually("a query that is old enough", async || {
        let proposal = plan(&olive, &params).await;
        proposal["plan"]["targets"].as_array().unwrap().len() == 1
    })
    .await;
    let action = request(&olive, &params).await;
    (olive, action)
}

pub fn id(action: &Value) -> String {
    action["line"]["id"].as_str().unwrap().to_owned()
}

pub fn state(action: &Value) -> String {
    action["line"]["state"].as_str().unwrap().to_owned()
}

/// Does something to an action.
pub async fn act(browser: &Browser, action: &Value, what: &str) -> Answer {
    let body = json!({ "digest": action["plan"]["digest"], "comment": "seen" });
    browser
        .post_json(&format!("/api/v1/actions/{}/{what}", id(action)), &body)
        .await
}

pub async fn look(browser: &Browser, id: &str) -> Value {
    let answer = browser.get(&format!("/api/v1/actions/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits until an action is over.
pub async fn ended(browser: &Browser, id: &str) -> Value {
    for _ in 0..600 {
        let action = look(browser, id).await;
        if !["requested", "approved", "executing"].contains(&state(&action).as_str()) {
            return action;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "waited thirty seconds for the end of action {id}: {}",
        look(browser, id).await
    );
}
