//! The parts of a search, each a condition on columns.

use quarterdeck_domain::audit::{Filter, Outcome, event::ActorKind};
use sqlx::{Postgres, QueryBuilder};

/// One part of a filter as a condition on columns.
#[derive(Debug)]
pub struct Part {
    /// SQL with `$` where the value goes.
    sql: &'static str,
    /// One value, or several of which one has to fit.
    pub values: Vec<String>,
    /// Whether an index yields its rows in order.
    pub leads: bool,
}

impl Part {
    /// Adds the condition that one of its values fits.
    pub fn push(&self, query: &mut QueryBuilder<Postgres>, value: &str) {
        for (i, piece) in self.sql.split('$').enumerate() {
            if i > 0 {
                query.push_bind(value.to_owned());
            }
            query.push(piece);
        }
    }
}

/// The parts of a filter, those first that tend to be rarest.
pub fn parts(filter: &Filter) -> Vec<Part> {
    let one = |sql, value: &str| Part {
        sql,
        values: vec![value.to_owned()],
        leads: true,
    };
    let mut parts = Vec::new();
    if let Some(id) = &filter.object_id {
        parts.push(one("left(object_id, 200) = left($, 200) and object_id = $", id));
    }
    if let Some(name) = &filter.actor {
        parts.push(one("actor_name = $", name));
    }
    if let Some(actions) = &filter.actions {
        parts.push(Part {
            sql: "action = $",
            values: actions.members().iter().map(|a| a.as_str().to_owned()).collect(),
            leads: true,
        });
    }
    match filter.outcome {
        None => {}
        // Nearly every row: there is no index to lead with.
        Some(outcome @ Outcome::Succeeded) => parts.push(Part {
            leads: false,
            ..one("outcome = $", outcome.as_str())
        }),
        Some(outcome @ (Outcome::Refused | Outcome::Failed)) => {
            parts.push(one("outcome <> 'succeeded' and outcome = $", outcome.as_str()));
        }
    }
    match filter.actor_kind {
        None => {}
        Some(kind @ ActorKind::User) => parts.push(Part {
            leads: false,
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
