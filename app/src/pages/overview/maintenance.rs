//! Maintenance mode on the overview: how it is, what is seen from outside, and where it is switched.

use leptos::prelude::*;
use quarterdeck_domain::{health::Band, maintenance::Mode};

use crate::{
    components::{icon::BandShape, maintenance::may_ask, moment::Time},
    view::maintenance::{MaintenanceView, ProbeView},
};

/// The panel; taken over again from the server when the mode changes.
#[component]
pub(super) fn MaintenancePanel(
    /// What is known.
    view: MaintenanceView,
) -> impl IntoView {
    let band = band(&view);
    let (path, act) = if view.mode == Mode::Off {
        ("/actions/new?kind=maintenance_on", "Switch it on …")
    } else {
        ("/actions/new?kind=maintenance_off", "Switch it off …")
    };
    let elsewhere = view.elsewhere.then_some(", by other means than this console");
    view! {
        <section
            class="panel maintenance-panel"
            id="maintenance"
            data-live="part"
            aria-labelledby="maintenance-title"
        >
            <h2 id="maintenance-title">"Maintenance mode"</h2>
            <p class="maintenance-mode" data-band=band.as_str()>
                <BandShape band />
                <strong>{view.mode.word()}</strong>
                {view.since_ms.map(|at_ms| view! { <span>"since " <Time at_ms /> {elsewhere}</span> })}
            </p>
            {view.problem.map(|problem| view! { <p class="note">{problem}</p> })}
            <table class="facts">
                <caption class="hidden">"Seen from outside"</caption>
                <thead class="hidden">
                    <tr><th scope="col">"Probe"</th><th scope="col">"Sees"</th><th scope="col">"Should see"</th></tr>
                </thead>
                <tbody>{view.probes.into_iter().map(|probe| view! { <Probe probe /> }).collect_view()}</tbody>
            </table>
            <p class="note">
                {match view.looked_at_ms {
                    Some(at_ms) => view! { "Last look: " <Time at_ms /> }.into_any(),
                    None => view! { "Not looked at yet." }.into_any(),
                }}
            </p>
            {may_ask().then(|| view! { <a class="button" href=path>{act}</a> })}
        </section>
    }
}

/// Off and seen to be so is well; on is no fault, but nobody is served.
const fn band(view: &MaintenanceView) -> Band {
    match (view.mode, &view.problem) {
        (Mode::Unknown, _) => Band::Unknown,
        (Mode::Off, None) => Band::Ok,
        (Mode::On | Mode::Mixed, _) | (Mode::Off, Some(_)) => Band::Degraded,
    }
}

#[component]
fn Probe(probe: ProbeView) -> impl IntoView {
    let (band, word) = match probe.fits {
        Some(true) => (Band::Ok, "as it should be"),
        Some(false) => (Band::Alert, "not as it should be"),
        None => (Band::Unknown, "not judged"),
    };
    let expected = probe.expected.map(|expected| format!("should be {expected}"));
    view! {
        <tr data-band=band.as_str()>
            <th scope="row">
                <BandShape band />
                <span class="hidden">{format!("{word}: ")}</span>
                {probe.name}
            </th>
            <td>{probe.seen}</td>
            <td class="muted">{expected}</td>
        </tr>
    }
}
