//! The watched database's nodes, and the sources that the console asks.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

use super::state::State;
use crate::{
    components::{
        icon::BandShape,
        moment::{Clock, length, short_stamp},
        size::bytes,
    },
    view::estate::{DatabaseNodeView, DatabaseRole, SourceState, SourceView},
};

/// Role and details of a node.
fn node_facts(node: &DatabaseNodeView) -> (&'static str, Vec<String>) {
    let (word, mut facts) = match &node.role {
        DatabaseRole::Primary {
            streaming_standbys: 0,
        } => ("primary", vec![]),
        DatabaseRole::Primary {
            streaming_standbys: 1,
        } => ("primary", vec!["1 standby streams".to_owned()]),
        DatabaseRole::Primary {
            streaming_standbys: n,
        } => ("primary", vec![format!("{n} standbys stream")]),
        DatabaseRole::Standby {
            lag_bytes,
            last_message_age_ms,
        } => {
            let lag =
                lag_bytes.map_or_else(|| "lag not known".to_owned(), |n| format!("{} behind", bytes(n)));
            let heard = last_message_age_ms.map(|ms| format!("heard {} ago", length(ms)));
            ("standby", std::iter::once(lag).chain(heard).collect())
        }
        // The fault says why.
        DatabaseRole::Unreachable { .. } => ("unreachable", vec![]),
    };
    facts.extend(node.faults.iter().cloned());
    (word, facts)
}

/// Nodes of the watched PostgreSQL.
#[component]
pub(super) fn Databases(state: State) -> impl IntoView {
    let rows = move || {
        let nodes = state.databases.get();
        nodes
            .into_iter()
            .map(|node| view! { <Node node clock=state.clock /> })
            .collect_view()
    };
    view! {
        <section class="panel" id="databases" aria-labelledby="databases-title">
            <h2>
                <span id="databases-title">"Database"</span>
                <span class="panel-more">
                    <a href="/database/topology">"Topology"</a>
                    " · "
                    <a href="/database">"Sessions"</a>
                </span>
            </h2>
            <table class="facts">
                <caption class="hidden">"Nodes of the watched PostgreSQL"</caption>
                <thead class="hidden">
                    <tr><th scope="col">"Node"</th><th scope="col">"Role"</th><th scope="col">"State"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="empty" hidden=move || !state.databases.read().is_empty()>
                "No node is configured. Nodes named in the configuration appear here with role and lag."
            </p>
        </section>
    }
}

#[component]
fn Node(node: DatabaseNodeView, clock: RwSignal<Clock>) -> impl IntoView {
    let band = node.band;
    let (word, facts) = node_facts(&node);
    let since_ms = match node.role {
        DatabaseRole::Unreachable { since_ms, .. } => since_ms,
        DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. } => None,
    };
    view! {
        <tr>
            <th scope="row">{node.name}</th>
            <td>
                <span class="band" data-band=band.as_str()>
                    <BandShape band=band />
                    <span class="band-word">{word}</span>
                </span>
            </td>
            <td class="facts-text">
                {facts.into_iter().map(|fact| view! { <span>{fact}</span> }).collect_view()}
                {since_ms.map(|t| view! { <span>{move || since(t, clock.get())}</span> })}
            </td>
        </tr>
    }
}

fn since(at_ms: i64, clock: Clock) -> String {
    format!("since {}", short_stamp(at_ms, clock.now_ms, clock.zone))
}

const fn source_band(state: SourceState) -> Option<Band> {
    match state {
        SourceState::Up => Some(Band::Ok),
        SourceState::Down => Some(Band::Alert),
        SourceState::Unknown => Some(Band::Unknown),
        SourceState::NotConfigured => None,
    }
}

/// What the console asks, how it is, and what its loss takes away.
#[component]
pub(super) fn Sources(state: State) -> impl IntoView {
    let rows = move || {
        let sources = state.sources.get();
        sources
            .into_iter()
            .map(|source| view! { <Source source clock=state.clock /> })
            .collect_view()
    };
    view! {
        <section class="panel" id="sources" aria-labelledby="sources-title">
            <h2 id="sources-title">"Sources"</h2>
            <table class="facts">
                <caption class="hidden">"What the console asks, and how it is"</caption>
                <thead class="hidden">
                    <tr><th scope="col">"Source"</th><th scope="col">"State"</th><th scope="col">"Since"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
}

#[component]
fn Source(source: SourceView, clock: RwSignal<Clock>) -> impl IntoView {
    let up = source.state == SourceState::Up;
    let word = source.state.word();
    view! {
        <tr>
            <th scope="row">{source.name}</th>
            <td>
                {match source_band(source.state) {
                    Some(band) => view! {
                        <span class="band" data-band=band.as_str()>
                            <BandShape band=band />
                            <span class="band-word">{word}</span>
                        </span>
                    }.into_any(),
                    None => view! { <span class="muted">{word}</span> }.into_any(),
                }}
            </td>
            <td class="facts-text">
                {source.since_ms.map(|t| view! { <span>{move || since(t, clock.get())}</span> })}
                {source.note.filter(|_| !up).map(|note| view! { <span>{note}</span> })}
            </td>
        </tr>
    }
}
