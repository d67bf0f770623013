//! Restore drills: whether what is kept can be restored, and how long each step took.

use leptos::prelude::*;

use super::{
    forms::{CancelDrill, DrillNewest, May},
    map::CopyLink,
    marks::{Mark, of_run},
};
use crate::{
    components::moment::{Time, length},
    view::backup::DrillView,
};

/// The last drills, and the way to another.
#[component]
pub(super) fn Drills(drills: Vec<DrillView>, may: Option<May>) -> impl IntoView {
    let none = drills.is_empty();
    let items = drills
        .into_iter()
        .map(|drill| view! { <Drill drill named=true may=may.clone() /> })
        .collect_view();
    view! {
        <section class="panel" id="drills" data-live="part" aria-labelledby="drills-title">
            <h2 id="drills-title">"Restore drills"</h2>
            <DrillNewest may />
            {if none {
                view! {
                    <p class="empty">
                        "Nothing was restored yet. Each drill restores a backup into a cluster of its own, holds it against its source, and \
                        appears here with what each step took. [backups.drill] in the configuration says when they are done."
                    </p>
                }
                    .into_any()
            } else {
                view! { <ol class="backup-events">{items}</ol> }.into_any()
            }}
        </section>
    }
}

/// One drill.
#[component]
pub(super) fn Drill(
    /// The drill.
    drill: DrillView,
    /// Whether it is said what it restores.
    named: bool,
    /// Who may end it.
    may: Option<May>,
) -> impl IntoView {
    let took = drill.ended_at_ms.map_or_else(String::new, |ended| {
        format!(", took {}", length(ended - drill.began_at_ms))
    });
    let steps = drill
        .steps
        .into_iter()
        .map(|(name, ms)| format!("{name} {}", length(ms)))
        .collect::<Vec<_>>()
        .join(" · ");
    let cancel = match (drill.state == "running", drill.cancelling) {
        (true, false) => view! { <CancelDrill may id=drill.id /> }.into_any(),
        (true, true) => view! { <p class="note">"It is being cancelled."</p> }.into_any(),
        (false, _) => ().into_any(),
    };
    let checks = (!drill.checks.is_empty()).then(|| {
        view! { <ul>{drill.checks.into_iter().map(|check| view! { <li>{check}</li> }).collect_view()}</ul> }
    });
    view! {
        <li>
            <p>
                <Mark look=of_run(&drill.state) />
                " "
                <Time at_ms=drill.began_at_ms />
                <span class="note">{format!("{took}, by {}", drill.by)}</span>
            </p>
            {named.then(|| view! { <p><CopyLink name=drill.backup /></p> })}
            {drill.target_at_ms.map(|at_ms| view! { <p>"To " <Time at_ms /></p> })}
            {(!steps.is_empty()).then(|| view! { <p class="note">{steps}</p> })}
            {drill.error.map(|error| view! { <p class="message" data-kind="error">{error}</p> })}
            {checks}
            {cancel}
        </li>
    }
}
