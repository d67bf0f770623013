//! One session in the list.

use leptos::prelude::*;
use quarterdeck_domain::database::BackendState;

use super::{held::Shown, links};
use crate::{components::moment::length, view::database::BackendView};

/// What stands out about a session, in words: the first is the most urgent.
fn marks(backend: &BackendView) -> Vec<String> {
    let waits = (!backend.blocked_by.is_empty()).then(|| {
        let whom: Vec<String> = backend.blocked_by.iter().map(|pid| named(*pid)).collect();
        format!("waits for {}", whom.join(", "))
    });
    let holds_up = (backend.holds_up > 0).then(|| format!("holds up {}", backend.holds_up));
    let long = backend.long.then(|| "long".to_owned());
    [holds_up, waits, long].into_iter().flatten().collect()
}

/// A pid as it is told.
pub(super) fn named(pid: i32) -> String {
    if pid == 0 {
        "a prepared transaction".to_owned()
    } else {
        pid.to_string()
    }
}

/// Who it is: role and database, application, address; what kind of process where it serves no client.
fn who(backend: &BackendView) -> Vec<String> {
    let account = match (&backend.user, &backend.database) {
        (Some(user), Some(database)) => Some(format!("{user} @ {database}")),
        (Some(name), None) | (None, Some(name)) => Some(name.clone()),
        (None, None) => None,
    };
    let kind = (backend.kind != "client backend").then(|| backend.kind.clone());
    let application = Some(backend.application.clone()).filter(|name| !name.is_empty());
    [kind, account, application, backend.address.clone()]
        .into_iter()
        .flatten()
        .collect()
}

fn age(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), length)
}

/// What there is to read in place of a query that is not shown.
fn query(backend: &BackendView) -> (String, bool) {
    match &backend.query {
        Some(text) => (text.clone(), true),
        None if backend.query_hidden => (
            "Hidden: it can't be told for sure what in it is a literal.".to_owned(),
            false,
        ),
        None => ("No query.".to_owned(), false),
    }
}

/// Of a longer query, so much is shown at first; characters.
const EXCERPT: usize = 200;

/// The beginning of a text that is too long to be shown at once.
fn excerpt(text: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(EXCERPT)?;
    Some(format!("{} …", text[..end].trim_end()))
}

/// A row. Roles are written out because the style sheet lays rows out as cards on a phone.
#[component]
pub(super) fn SessionRow(
    /// The session.
    row: RwSignal<Shown>,
    /// Name of the node.
    node: StoredValue<String>,
    /// Whether whoever looks may ask for it to be ended.
    may_request: bool,
) -> impl IntoView {
    let pid = row.with_untracked(|r| r.backend.pid);
    let part = move |read: fn(&BackendView) -> String| Memo::new(move |_| row.with(|r| read(&r.backend)));
    let state = part(|b| b.state.word().to_owned());
    let query_age = part(|b| age(b.query_age_ms));
    let transaction_age = part(|b| age(b.transaction_age_ms));
    let state_age = part(|b| age(b.state_age_ms));
    let wait = part(|b| b.wait.clone().unwrap_or_default());
    let marks = Memo::new(move |_| row.with(|r| marks(&r.backend)));
    let who = Memo::new(move |_| row.with(|r| who(&r.backend)));
    let query = Memo::new(move |_| row.with(|r| query(&r.backend)));
    let ended = Memo::new(move |_| row.with(|r| r.ended));
    let busy = Memo::new(move |_| {
        row.with(|r| match r.backend.state {
            BackendState::Active | BackendState::FastPath => "busy",
            BackendState::IdleInTransaction | BackendState::IdleInTransactionAborted => "open",
            BackendState::Idle | BackendState::Disabled | BackendState::Unknown => "quiet",
        })
    });
    let protection = Memo::new(move |_| row.with(|r| r.backend.protection.clone()));
    let cancel = Memo::new(move |_| {
        row.with(|r| {
            let started_at = r.cancels.as_ref()?;
            Some(node.with_value(|n| links::cancel(n, &r.backend, started_at)))
        })
    });
    let terminate = row.with_untracked(|r| node.with_value(|n| links::terminate(n, &r.backend)));
    view! {
        <tr role="row" id=format!("backend-{pid}") data-state=busy class:is-ended=move || ended.get()>
            <th scope="row" role="rowheader" class="session-pid">{pid}</th>
            <td role="cell" class="session-state">
                <span class="session-word">{move || if ended.get() { "ended".to_owned() } else { state.get() }}</span>
                <span class="session-wait">{wait}</span>
                {move || marks.get().into_iter().map(|mark| view! { <span class="session-mark">{mark}</span> }).collect_view()}
            </td>
            <td role="cell" class="session-age" data-label="query">{query_age}</td>
            <td role="cell" class="session-age" data-label="transaction">{transaction_age}</td>
            <td role="cell" class="session-age" data-label="state">{state_age}</td>
            <td role="cell" class="session-query">
                {move || {
                    let (text, is_sql) = query.get();
                    match (excerpt(&text), is_sql) {
                        (_, false) => view! { <span class="muted">{text}</span> }.into_any(),
                        (None, true) => view! { <code class="session-sql">{text}</code> }.into_any(),
                        (Some(beginning), true) => view! {
                            <details class="session-more">
                                <summary><code class="session-sql">{beginning}</code></summary>
                                <code class="session-sql">{text}</code>
                            </details>
                        }
                        .into_any(),
                    }
                }}
            </td>
            <td role="cell" class="session-who">
                {move || who.get().into_iter().map(|line| view! { <span>{line}</span> }).collect_view()}
            </td>
            <td role="cell" class="session-acts">
                {move || match protection.get() {
                    Some(why) => view! {
                        <span class="session-protected"><b>"Never touched: "</b>{why}</span>
                    }
                    .into_any(),
                    None if may_request => view! {
                        <a
                            class="session-act"
                            hidden=move || cancel.get().is_none()
                            href=move || cancel.get()
                            aria-label=format!("Cancel query of {pid}")
                        >
                            "Cancel query"
                        </a>
                        <a class="session-act" href=terminate.clone() aria-label=format!("Terminate {pid}")>
                            "Terminate"
                        </a>
                    }
                    .into_any(),
                    None => ().into_any(),
                }}
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::{super::held::tests::backend, *};

    #[test]
    fn what_is_not_shown_is_told_from_what_is_not_there() {
        let mut backend = backend(4711, 10);
        assert_eq!(query(&backend), ("SELECT ?".to_owned(), true));
        backend.query = None;
        assert_eq!(query(&backend), ("No query.".to_owned(), false));
        backend.query_hidden = true;
        assert!(query(&backend).0.starts_with("Hidden"));
    }

    #[test]
    fn a_long_query_is_shown_by_its_beginning() {
        assert_eq!(excerpt(&"ä".repeat(200)), None);
        let long = excerpt(&"ä".repeat(201)).unwrap();
        assert_eq!(long.chars().count(), 202);
        assert!(long.ends_with("ä …"));
    }

    #[test]
    fn waits_are_told_with_names() {
        let mut backend = backend(4711, 10);
        backend.blocked_by = vec![12, 0];
        (backend.holds_up, backend.long) = (2, true);
        assert_eq!(
            marks(&backend),
            ["holds up 2", "waits for 12, a prepared transaction", "long"]
        );
    }
}
