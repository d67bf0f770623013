//! The parts of a search, each a condition on columns.

use quarterdeck_domain::audit::{Filter, Outcome, event::ActorKind};
use sqlx::{Postgres, QueryBuilder};

/// One part of a filter as a condition on columns.
#[derive(Debug)]
pub struct Part {
    /// What has to hold of a row: SQL with `$` where the value goes.
    sql: &'static str,
    /// What an index that yields its rows in order knows of it; none where no such index would help.
    lead: Option<&'static str>,
    /// One value, or several of which one has to fit.
    pub values: Vec<String>,
}

impl Part {
    /// Whether it can lead.
    pub fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// Adds what has to hold of a row.
    pub fn push(&self, query: &mut QueryBuilder<Postgres>, value: &str) {
        push(query, self.sql, value);
    }

    /// Adds what the index knows: no fewer rows than those of which all holds.
    pub fn push_lead(&self, query: &mut QueryBuilder<Postgres>, value: &str) {
        push(query, self.lead.unwrap_or(self.sql), value);
    }
}

fn push(query: &mut QueryBuilder<Postgres>, sql: &str, value: &str) {
    for (i, piece) in sql.split('$').enumerate() {
        if i > 0 {
            query.push_bind(value.to_owned());
        }
        query.push(piece);
    }
}

/// The parts of a filter, those first that tend to be rarest.
pub fn parts(filter: &Filter) -> Vec<Part> {
    let one = |sql, value: &str| Part {
        sql,
        lead: Some(sql),
        values: vec![value.to_owned()],
    };
    let mut parts = Vec::new();
    if let Some(id) = &filter.object_id {
        parts.push(Part {
            lead: Some("left(object_id, 200) = left($, 200)"),
            ..one("object_id = $", id)
        });
    }
    if let Some(name) = &filter.actor {
        parts.push(one("actor_name = $", name));
    }
    if let Some(actions) = &filter.actions {
        parts.push(Part {
            values: actions.members().iter().map(|a| a.as_str().to_owned()).collect(),
            ..one("action = $", "")
        });
    }
    match filter.outcome {
        None => {}
        // Nearly every row: there is no index to lead with.
        Some(outcome @ Outcome::Succeeded) => parts.push(Part {
            lead: None,
            ..one("outcome = $", outcome.as_str())
        }),
        Some(outcome @ (Outcome::Refused | Outcome::Failed)) => {
            parts.push(one("outcome <> 'succeeded' and outcome = $", outcome.as_str()));
        }
    }
    match filter.actor_kind {
        None => {}
        Some(kind @ ActorKind::User) => parts.push(Part {
            lead: None,
            ..one("actor_kind = $", kind.as_str())
        }),
        Some(kind @ (ActorKind::CommandLine | ActorKind::System | ActorKind::Anonymous)) => {
            parts.push(one("actor_kind <> 'user' and actor_kind = $", kind.as_str()));
        }
    }
    if let Some(kind) = &filter.object_kind {
        parts.push(one("object_kind = $", kind));
    }
    parts
}
