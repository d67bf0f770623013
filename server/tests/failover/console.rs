//! A console with people who use it, and what they do with it.

use std::time::Duration;

use quarterdeck_domain::access::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, PASSWORD, Sources, account_in},
    own_database::OwnDatabase,
};

/// A console, its database, an operator and an approver.
pub struct Bridge {
    database: Option<TestDatabase>,
    /// The console's own database.
    pub own: PgPool,
    url: String,
    pub deck: Deck,
    pub olive: Browser,
    pub april: Browser,
}

impl Bridge {
    pub async fn start(more: &str) -> Self {
        Self::asking("http://127.0.0.1:9", more).await
    }

    /// With metrics from there.
    pub async fn asking(prometheus: &str, more: &str) -> Self {
        let database = TestDatabase::migrated().await;
        let (own, url) = (database.pool(), database.config().url);
        Self::of(own, url, prometheus, more, Some(database)).await
    }

    /// Whose own database is on the pair that it looks after.
    pub async fn upon(own: &OwnDatabase, more: &str) -> Self {
        let (pool, url) = (own.pool().await, own.config.url.clone());
        Self::of(pool, url, "http://127.0.0.1:9", more, None).await
    }

    async fn of(
        own: PgPool,
        url: String,
        prometheus: &str,
        more: &str,
        database: Option<TestDatabase>,
    ) -> Self {
        account_in(own.clone(), "olive", Role::Operator).await;
        account_in(own.clone(), "april", Role::Approver).await;
        let deck = Self::console(url.clone(), prometheus, more).await;
        Self {
            own,
            url,
            olive: deck.signed_in("olive").await,
            april: deck.signed_in("april").await,
            deck,
            database,
        }
    }

    /// A console that nobody is signed in to.
    pub async fn console(database_url: String, prometheus: &str, more: &str) -> Deck {
        Deck::start(Sources {
            database_url,
            prometheus,
            redis: None,
            more,
        })
        .await
    }

    /// The console's own database, where it is not on the pair.
    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("a database of its own")
    }

    /// As `kill -9` and another start do.
    pub async fn killed_and_started_again(self, more: &str) -> Self {
        self.deck.kill().await;
        let deck = Self::console(self.url.clone(), "http://127.0.0.1:9", more).await;
        Self {
            olive: deck.signed_in("olive").await,
            april: deck.signed_in("april").await,
            deck,
            ..self
        }
    }

    /// What olive would be shown.
    pub async fn plan(&self, params: &Value) -> Value {
        let answer = self
            .olive
            .post_json("/api/v1/actions/plan", &json!({ "params": params }))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// How the gates of a plan judged, those that did not pass: `name: refused`.
    pub fn complaints(proposal: &Value) -> Vec<String> {
        let gates = proposal["plan"]["gates"].as_array().unwrap();
        gates
            .iter()
            .filter(|gate| gate["verdict"] != "passed")
            .map(|gate| {
                format!(
                    "{}: {}",
                    gate["name"].as_str().unwrap(),
                    gate["verdict"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// Waits until only these gates of the plan refuse, and answers it.
    pub async fn plan_refused_by(&self, params: &Value, refusing: &[&str]) -> Value {
        let mut plan = Value::Null;
        for _ in 0..300 {
            plan = self.plan(params).await;
            let complaints = Self::complaints(&plan);
            let refused = complaints
                .iter()
                .filter_map(|complaint| complaint.strip_suffix(": refused"));
            if refused.eq(refusing.iter().copied()) {
                return plan;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited for a plan that {refusing:?} alone refuse: {plan:#}");
    }

    /// Waits until nothing refuses the plan, and answers it.
    pub async fn plan_that_may(&self, params: &Value) -> Value {
        self.plan_refused_by(params, &[]).await
    }

    /// Asks for what was planned, has it approved and starts it; answers its id.
    pub async fn start_action(&self, proposal: &Value) -> String {
        let id = self.agree(proposal).await;
        self.start_agreed(&id).await;
        id
    }

    /// Asks for what was planned and has it approved; answers its id.
    pub async fn agree(&self, proposal: &Value) -> String {
        self.agree_asked_by(&self.olive, proposal).await
    }

    /// As [`Self::agree`], asked for at another console.
    pub async fn agree_asked_by(&self, olive: &Browser, proposal: &Value) -> String {
        let body = json!({
            "id": proposal["id"],
            "params": proposal["plan"]["params"],
            "digest": proposal["plan"]["digest"],
            "reason": "It has to be.",
            "typed": proposal["plan"]["object"],
            "password": PASSWORD,
        });
        let asked = olive.post_json("/api/v1/actions", &body).await;
        assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.body);
        let id = proposal["id"].as_str().unwrap().to_owned();
        let digest = json!({ "digest": proposal["plan"]["digest"], "password": PASSWORD });
        let approved = self
            .april
            .post_json(&format!("/api/v1/actions/{id}/approve"), &digest)
            .await;
        assert_eq!(approved.status, StatusCode::OK, "{}", approved.body);
        id
    }

    /// Starts what was agreed to.
    pub async fn start_agreed(&self, id: &str) {
        let started = self
            .olive
            .post_json(&format!("/api/v1/actions/{id}/start"), &json!({}))
            .await;
        assert_eq!(started.status, StatusCode::OK, "{}", started.body);
    }

    /// The topology as the API tells it.
    pub async fn topology(&self) -> Value {
        let answer = self.olive.get("/api/v1/database/topology").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The actions of the audit log about one action, in order.
    pub async fn recorded(&self, id: &str) -> Vec<String> {
        sqlx::query_scalar(
            "select action from quarterdeck.audit_events where object_kind = 'action' and object_id = $1 order by seq",
        )
        .bind(id)
        .fetch_all(&self.own)
        .await
        .unwrap()
    }

    /// The action as it is.
    pub async fn action(&self, id: &str) -> Value {
        let answer = self.olive.get(&format!("/api/v1/actions/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits for the action's end; answers its state.
    pub async fn ended(&self, id: &str) -> Value {
        for _ in 0..900 {
            let action = self.action(id).await;
            if !["approved", "executing"].contains(&action["line"]["state"].as_str().unwrap()) {
                return action;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not end: {}", self.action(id).await);
    }
}
