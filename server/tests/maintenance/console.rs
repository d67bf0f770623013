//! A console with people who use it, and what they do with it.

use std::time::Duration;

use quarterdeck_domain::access::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    database::TestDatabase,
    deck::{Browser, Deck, Sources, account},
};

/// A console, its database, an operator and an approver.
pub struct Bridge {
    pub database: TestDatabase,
    pub deck: Deck,
    pub olive: Browser,
    pub april: Browser,
}

impl Bridge {
    pub async fn start(prometheus: &str, more: &str) -> Self {
        let database = TestDatabase::migrated().await;
        account(&database, "olive", Role::Operator).await;
        account(&database, "april", Role::Approver).await;
        let deck = Deck::start(Sources {
            database_url: database.config().url,
            prometheus,
            redis: None,
            more,
        })
        .await;
        Self {
            olive: deck.signed_in("olive").await,
            april: deck.signed_in("april").await,
            deck,
            database,
        }
    }

    /// As `kill -9` and another start do. `meanwhile` is done when it is dead.
    pub async fn killed_and_started_again(
        self,
        prometheus: &str,
        more: &str,
        meanwhile: impl AsyncFnOnce(&TestDatabase),
    ) -> Self {
        let base = self.deck.base.clone();
        self.deck.kill().await;
        meanwhile(&self.database).await;
        let sources = Sources {
            database_url: self.database.config().url,
            prometheus,
            redis: None,
            more,
        };
        let deck = Deck::start_at(&base, sources).await;
        Self {
            olive: deck.signed_in("olive").await,
            april: deck.signed_in("april").await,
            deck,
            database: self.database,
        }
    }

    /// Maintenance mode as the API tells it.
    pub async fn maintenance(&self) -> Value {
        let answer = self.olive.get("/api/v1/maintenance").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
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

    /// How one gate of a plan judged.
    pub fn gate<'a>(proposal: &'a Value, name: &str) -> &'a Value {
        let gates = proposal["plan"]["gates"].as_array().unwrap();
        gates.iter().find(|gate| gate["name"] == name).unwrap()
    }

    /// Olive asks; answers the action.
    pub async fn ask(&self, params: &Value) -> Value {
        let proposal = self.plan(params).await;
        let body = json!({ "id": proposal["id"], "params": proposal["plan"]["params"], "digest": proposal["plan"]["digest"],
            "reason": "Migration of the course tables", "typed": "the service" });
        let answer = self.olive.post_json("/api/v1/actions", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Olive asks, april agrees, olive starts; answers the action when it is over.
    pub async fn switch_on(&self, expected_end: OffsetDateTime) -> Value {
        let action = self.start_switching_on(expected_end).await;
        self.ended(&id(&action)).await
    }

    /// Olive asks, april agrees, olive starts; answers the action as it was asked for.
    pub async fn start_switching_on(&self, expected_end: OffsetDateTime) -> Value {
        let action = self.ask(&on(expected_end)).await;
        let body = json!({ "digest": action["plan"]["digest"], "comment": "" });
        for (browser, what) in [(&self.april, "approve"), (&self.olive, "start")] {
            let path = format!("/api/v1/actions/{}/{what}", id(&action));
            let answer = browser.post_json(&path, &body).await;
            assert!(answer.status.is_success(), "{what}: {}", answer.body);
        }
        action
    }

    /// Olive switches it off, for which nobody has to agree.
    pub async fn switch_off(&self) -> Value {
        let action = self.ask(&json!({ "kind": "maintenance_off" })).await;
        self.ended(&id(&action)).await
    }

    pub async fn ended(&self, id: &str) -> Value {
        for _ in 0..1200 {
            let answer = self.olive.get(&format!("/api/v1/actions/{id}")).await;
            let action: Value = serde_json::from_str(&answer.body).unwrap();
            let state = action["line"]["state"].as_str().unwrap();
            if !["requested", "approved", "executing"].contains(&state) {
                return action;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited a minute for the end of action {id}");
    }

    /// The details of recorded events of one kind, in order.
    pub async fn recorded(&self, action: &str) -> Vec<Value> {
        let texts: Vec<String> = sqlx::query_scalar(
            "select canonical from quarterdeck.audit_events where action = $1 order by seq",
        )
        .bind(action)
        .fetch_all(&self.database.pool())
        .await
        .unwrap();
        texts
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()["detail"].clone())
            .collect()
    }
}

pub fn on(expected_end: OffsetDateTime) -> Value {
    let end = expected_end.replace_nanosecond(0).unwrap();
    json!({ "kind": "maintenance_on", "expected_end": end.format(&Rfc3339).unwrap(), "message": "We are back soon." })
}

pub fn id(action: &Value) -> String {
    action["line"]["id"].as_str().unwrap().to_owned()
}

pub fn state(action: &Value) -> &str {
    action["line"]["state"].as_str().unwrap()
}

/// What the steps of an action say.
pub fn steps(action: &Value) -> Vec<String> {
    let steps = action["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["detail"].as_str().unwrap_or_default().to_owned())
        .collect()
}
