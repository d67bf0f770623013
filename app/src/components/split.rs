//! A split brain on every page: a banner while several nodes of the watched database take writes at once.

use leptos::prelude::*;

use super::moment::Time;
use crate::view::topology::SplitView;

/// The banner: there and hidden while there is no split, so that it can appear on a page that is open.
#[component]
pub fn SplitBanner(
    /// The nodes; none while the cluster is whole.
    view: Option<SplitView>,
) -> impl IntoView {
    let hidden = view.is_none();
    view! {
        <aside
            class="maintenance-banner"
            id="split-banner"
            data-live="part"
            data-tone="overrun"
            aria-label="Split brain"
            hidden=hidden
        >
            {view.map(|view| view! { <Content view /> })}
        </aside>
    }
}

#[component]
fn Content(view: SplitView) -> impl IntoView {
    view! {
        <svg class="shape" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d="M8 1.5 15 14.5H1zM8 6v4M8 11.5v1.5" fill="none" stroke="currentColor" stroke-width="2"></path>
        </svg>
        <p>
            <strong class="maintenance-headline">
                {format!("Split brain: {} take writes at once", view.primaries.join(" and "))}
            </strong>
            <span>"since " <Time at_ms=view.since_ms /></span>
            <span class="maintenance-reason">"Stop all but the one on the highest timeline, before anything else."</span>
        </p>
        <a class="maintenance-act" href="/database/topology">"Open the topology"</a>
    }
}
