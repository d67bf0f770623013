//! `/database`: who is connected to the watched database, what they do, and who waits for whom.

mod board;
mod counts;
mod forms;
mod held;
mod links;
mod notes;
mod row;
mod topology;
mod tree;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use quarterdeck_domain::access::{Permission, decide};

pub use board::SessionsBoard;
pub use topology::TopologyPage;

use self::forms::{FilterForm, TerminateForm};
use crate::{
    components::{address::address, failure::Failure, page::Page, sent::Sent},
    error::ConsoleError,
    pages::{Signed, signed},
    view::{
        database::{DatabaseSessionsView, SessionFilter},
        estate::{DatabaseNodeView, DatabaseRole},
    },
};

/// What the page shows. The nodes are known also when the one that is asked for does not answer.
struct Loaded {
    nodes: Vec<DatabaseNodeView>,
    sessions: Result<(SessionFilter, DatabaseSessionsView), ConsoleError>,
    asked: Option<String>,
    may_request: bool,
    now_ms: i64,
}

/// Sessions of the watched database.
#[component]
pub fn DatabasePage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let filter = SessionFilter::read(|name| query.get(name));
    let signed = signed();
    view! {
        <Page title="Database sessions" name="database">
            {Suspend::new(async move {
                match load(signed, filter).await {
                    Ok(loaded) => view! { <Database loaded /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(
    signed: Result<Signed, ConsoleError>,
    filter: Result<SessionFilter, ConsoleError>,
) -> Result<Loaded, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    let filter = filter?;
    let asked = filter.node.clone();
    let sessions = console.database_sessions(&subject, &filter).await;
    let sessions = match sessions {
        Ok(view) => Ok((filter, view)),
        // One of several nodes is down: the others are a link away.
        Err(error @ ConsoleError::Unavailable(_)) => Err(error),
        Err(error) => return Err(error),
    };
    Ok(Loaded {
        nodes: console
            .overview(&subject)
            .map(|v| v.databases)
            .unwrap_or_default(),
        sessions,
        asked,
        may_request: decide(&subject, Permission::RequestAction).is_allowed(),
        now_ms: console.now_ms(),
    })
}

const fn role_word(role: &DatabaseRole) -> &'static str {
    match role {
        DatabaseRole::Primary { .. } => "primary",
        DatabaseRole::Standby { .. } => "standby",
        DatabaseRole::Unreachable { .. } => "unreachable",
    }
}

#[component]
fn Database(loaded: Loaded) -> impl IntoView {
    let Loaded {
        nodes,
        sessions,
        asked,
        may_request,
        now_ms,
    } = loaded;
    let node = sessions
        .as_ref()
        .ok()
        .map(|(_, view)| view.node.clone())
        .or(asked);
    let primaries: Vec<String> = nodes
        .iter()
        .filter(|n| matches!(n.role, DatabaseRole::Primary { .. }))
        .map(|n| n.name.clone())
        .collect();
    view! {
        <header class="database-head">
            <div>
                <h1>{node.clone().map_or_else(|| "Database sessions".to_owned(), |n| format!("Sessions on {n}"))}</h1>
                <p class="lead">
                    "Who is connected, what they do and for how long, and who waits for whom."
                </p>
            </div>
            <div class="database-ways">
                <Nodes nodes current=node />
                <a class="button" href="/database/topology">"Topology"</a>
            </div>
        </header>
        {(primaries.len() > 1)
            .then(|| view! {
                <p class="message" data-kind="error" role="alert">
                    {format!(
                        "{} all take writes: the cluster is split. Make sure that you act on the one you mean.",
                        primaries.join(", "),
                    )}
                </p>
            })}
        {match sessions {
            Ok((filter, view)) => {
                let (users, applications) = (view.counts.by_user.clone(), view.counts.by_application.clone());
                let (node, long) = (view.node.clone(), view.long_running.clone());
                view! {
                    <div class="database-forms">
                        <FilterForm filter=filter.clone() node=node.clone() users applications />
                        {may_request.then(|| view! { <TerminateForm node long /> })}
                    </div>
                    <SessionsBoard view=Sent(view) filter=Sent(filter) may_request rendered_at_ms=now_ms />
                }
                    .into_any()
            }
            Err(error) => view! { <Failure error /> }.into_any(),
        }}
    }
}

/// The nodes to choose from, where there are several.
#[component]
fn Nodes(nodes: Vec<DatabaseNodeView>, current: Option<String>) -> impl IntoView {
    (nodes.len() > 1).then(|| {
        let links = nodes
            .into_iter()
            .map(|node| {
                let here = (current.as_ref() == Some(&node.name)).then_some("page");
                let href = address("/database", &[("node", node.name.clone())]);
                view! { <a href=href aria-current=here>{format!("{} · {}", node.name, role_word(&node.role))}</a> }
            })
            .collect_view();
        view! { <nav class="segments" aria-label="Node">{links}</nav> }
    })
}
