//! Connections against what can be had, and whose they are.

use leptos::prelude::*;
use quarterdeck_domain::database::{BackendState, Count};

use crate::{components::address::address, view::database::DatabaseSessionsView};

/// So many names are listed a way of counting; the rest is summed up.
const NAMES: usize = 5;

/// A way of counting: title, field of the filter if it can be filtered by, what stands for no name.
const WAYS: [(&str, Option<&str>, &str); 4] = [
    ("By state", Some("state"), "not told"),
    ("By user", Some("user"), "no user"),
    ("By application", Some("application"), "no name given"),
    ("By address", None, "Unix socket"),
];

/// What the head says of connections.
fn headline(view: &DatabaseSessionsView) -> String {
    format!("{} of {} usable", view.counts.used, view.usable)
}

/// What is kept from ordinary roles, in words.
fn reserved(view: &DatabaseSessionsView) -> String {
    let capacity = view.capacity;
    let for_superusers = format!("{} for superusers", capacity.superuser_reserved);
    let kept = match capacity.reserved {
        0 => for_superusers,
        n => format!("{for_superusers} and {n} for pg_use_reserved_connections"),
    };
    format!(
        "max_connections is {}, of which {kept} are kept back.",
        capacity.max_connections
    )
}

/// How much of the bar is filled, in hundredths.
fn hundredths(used: u32, usable: u32) -> u32 {
    (used.min(usable) * 100).checked_div(usable).unwrap_or(100)
}

/// Connections in use, and four lists of whose they are. Names lead to the list filtered by them.
#[component]
pub(super) fn Connections(view: Memo<DatabaseSessionsView>) -> impl IntoView {
    let share = Memo::new(move |_| view.with(|v| hundredths(v.counts.used, v.usable)));
    let lists = Memo::new(move |_| {
        view.with(|v| {
            let c = &v.counts;
            [&c.by_state, &c.by_user, &c.by_application, &c.by_address].map(Clone::clone)
        })
    });
    let node = view.with_untracked(|v| v.node.clone());
    view! {
        <section class="panel connections" aria-labelledby="connections-title">
            <h2 id="connections-title">"Connections"</h2>
            <p class="connections-used">
                <b>{move || view.with(headline)}</b>
                <svg class="gauge" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                    <rect class="gauge-ground" width="100" height="4"></rect>
                    <rect class="gauge-value" width=move || share.get() height="4"></rect>
                </svg>
                <span class="muted">{move || view.with(reserved)}</span>
            </p>
            <div class="connections-ways">
                {WAYS
                    .into_iter()
                    .enumerate()
                    .map(|(i, (title, field, nameless))| {
                        let node = node.clone();
                        view! {
                            <div class="way">
                                <h3>{title}</h3>
                                {move || {
                                    let list = lists.with(|all| all[i].clone());
                                    view! { <Way list field nameless node=node.clone() /> }
                                }}
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
        </section>
    }
}

/// One list: the largest first.
#[component]
fn Way(list: Vec<Count>, field: Option<&'static str>, nameless: &'static str, node: String) -> impl IntoView {
    let others: u32 = list.iter().skip(NAMES).map(|c| c.count).sum();
    let more = list.len().saturating_sub(NAMES);
    let rows = list
        .into_iter()
        .take(NAMES)
        .map(|Count { name, count }| {
            let shown = match field {
                _ if name.is_empty() => nameless.to_owned(),
                Some("state") => {
                    BackendState::parse(&name).map_or_else(|| name.clone(), |s| s.word().to_owned())
                }
                Some(_) | None => name.clone(),
            };
            let href = field
                .filter(|_| !name.is_empty())
                .map(|field| address("/database", &[("node", node.clone()), (field, name)]));
            view! {
                <li>
                    {match href {
                        Some(href) => view! { <a href=href>{shown}</a> }.into_any(),
                        None => view! { <span>{shown}</span> }.into_any(),
                    }}
                    <span class="way-count">{count}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <ul>
            {rows}
            {(more > 0)
                .then(|| view! { <li class="muted"><span>{format!("{more} more")}</span><span class="way-count">{others}</span></li> })}
        </ul>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_is_full_and_no_fuller() {
        assert_eq!(
            [(0, 97), (97, 97), (100, 97), (1, 0)].map(|(used, usable)| hundredths(used, usable)),
            [0, 100, 100, 100]
        );
    }
}
