//! The audit log: `/audit` and `/audit/<number>`.

pub mod entry;
mod filter;
pub mod list;

use leptos::prelude::*;
use quarterdeck_domain::audit::{Filter, Outcome, Search};

use crate::view::audit::AuditRowView;

/// How a row ended: word, shape and colour.
#[component]
fn OutcomeMark(
    /// The stable name.
    outcome: String,
) -> impl IntoView {
    let known = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome);
    let (band, shape, word) = match known {
        Some(Outcome::Succeeded) => ("ok", "✓", "Succeeded".to_owned()),
        Some(Outcome::Refused) => ("degraded", "⊘", "Refused".to_owned()),
        Some(Outcome::Failed) => ("alert", "✕", "Failed".to_owned()),
        None => ("unknown", "?", outcome),
    };
    view! {
        <span class="outcome" data-band=band>
            <span aria-hidden="true">{shape}</span>
            <span>{word}</span>
        </span>
    }
}

/// The address of a search for the rows that fit.
fn address(filter: Filter) -> String {
    let search = Search {
        filter,
        ..Search::default()
    };
    format!("/audit?{}", search.to_query())
}

/// The actor as it is called, and the search for all that it did.
fn actor(row: &AuditRowView) -> (String, String) {
    let search = |name: &str, value: &str| {
        let query = Search::from_query(&format!("{name}={value}")).unwrap_or_default();
        address(query.filter)
    };
    match &row.actor_name {
        Some(name) => {
            let filter = Filter {
                actor: Some(name.clone()),
                ..Filter::default()
            };
            (name.clone(), address(filter))
        }
        None => (row.actor_kind.clone(), search("actor_kind", &row.actor_kind)),
    }
}

/// The search for all that was done to the same object.
fn same_object(row: &AuditRowView) -> String {
    address(Filter {
        object_kind: Some(row.object_kind.clone()),
        object_id: Some(row.object_id.clone()),
        ..Filter::default()
    })
}

/// The search for all rows of the same action.
fn same_action(row: &AuditRowView) -> String {
    let query = Search::from_query(&format!("action={}", row.action)).unwrap_or_default();
    address(query.filter)
}
