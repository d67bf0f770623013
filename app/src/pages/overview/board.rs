//! The live content of the overview, as one island.

use leptos::prelude::*;
use quarterdeck_domain::{action::ActionKind, health::Band};

use super::{
    alerts::Alerts,
    estate::{Databases, Sources},
    state::{Group, State},
    tile::Tile,
    verdict::VerdictBand,
};
use crate::{components::sent::Sent, view::health::OverviewView};

/// Verdict, tiles, alerts, database nodes and sources.
#[island]
pub fn OverviewBoard(
    /// The state of everything when the page was made.
    view: Sent<OverviewView>,
    /// The kinds of actions that the person may ask for.
    may: Sent<Vec<ActionKind>>,
    /// When that was, Unix ms.
    rendered_at_ms: i64,
) -> impl IntoView {
    let (Sent(view), Sent(may)) = (view, may);
    let poll_interval_ms = view.poll_interval_ms;
    let (state, groups) = State::new(view, may, rendered_at_ms);
    state.go_live();
    view! {
        <div class="board" class:is-stale=move || state.stale()>
            <VerdictBand state poll_interval_ms />
            <p class="hidden" aria-live="polite">{move || state.announcement.get()}</p>
            <div class="board-columns">
                <div class="groups">
                    {groups.into_iter().map(|group| view! { <Tiles group state /> }).collect_view()}
                </div>
                <div class="board-side">
                    <Alerts state />
                    <Databases state />
                    <Sources state />
                </div>
            </div>
        </div>
    }
}

/// A group: its title with a count of what is not well, and its tiles.
#[component]
fn Tiles(group: Group, state: State) -> impl IntoView {
    let title_id = format!("group-{}", group.id);
    let labelled = title_id.clone();
    let tiles = group.tiles.clone();
    let not_well = Memo::new(move |_| tiles.iter().filter(|t| t.read().band != Band::Ok).count());
    view! {
        <section class="group" aria-labelledby=labelled>
            <h2 class="group-title" id=title_id>
                <span>{group.title}</span>
                <span class="group-count">
                    {move || match not_well.get() {
                        0 => "all OK".to_owned(),
                        n => format!("{n} not OK"),
                    }}
                </span>
            </h2>
            <ul class="tiles">
                {group.tiles.into_iter().map(|tile| view! { <Tile tile state /> }).collect_view()}
            </ul>
        </section>
    }
}
