//! What fires, and whether that is known.

use leptos::prelude::*;
use quarterdeck_domain::{alert::Severity, health::Band};

use super::state::State;
use crate::{
    components::{
        icon::BandShape,
        moment::{Clock, Zone, iso, length, short_stamp, stamp},
        remedy::Remedies,
        runbook::Runbook,
    },
    view::estate::{AlertView, AlertsView},
};

/// The table of alerts; a sentence where there is none.
#[component]
pub(super) fn Alerts(state: State) -> impl IntoView {
    let content = move || {
        state.alerts.with(|alerts| match alerts {
            AlertsView::Known { alerts } if alerts.is_empty() => {
                view! { <p class="empty">"Nothing fires. Alerts that Prometheus raises appear here."</p> }
                    .into_any()
            }
            AlertsView::Known { alerts } => {
                view! { <Table alerts=alerts.clone() state old=false /> }.into_any()
            }
            AlertsView::Unknown { last_known, since_ms } => {
                let since_ms = *since_ms;
                let clock = state.clock;
                let sentence = move || match since_ms {
                    Some(t) => {
                        let Clock { now_ms, zone } = clock.get();
                        format!(
                            "What fires is not known since {}: Prometheus does not answer.",
                            short_stamp(t, now_ms, zone)
                        )
                    }
                    None => "What fires is not known: Prometheus has not answered yet.".to_owned(),
                };
                let table = (!last_known.is_empty())
                    .then(|| view! { <Table alerts=last_known.clone() state old=true /> });
                view! {
                    <p class="empty" data-band="unknown">
                        <BandShape band=Band::Unknown />
                        {sentence}
                    </p>
                    {table}
                }
                .into_any()
            }
        })
    };
    view! {
        <section class="panel" id="alerts" aria-labelledby="alerts-title">
            <h2 id="alerts-title">"Alerts" <span class="panel-count">{move || count(&state.alerts.read())}</span></h2>
            <div class="panel-scroll" tabindex="0" role="group" aria-labelledby="alerts-title">
                {content}
            </div>
        </section>
    }
}

fn count(alerts: &AlertsView) -> String {
    match alerts {
        // The dead-man's switch always fires: what is only information is not counted.
        AlertsView::Known { .. } => match alerts.firing().0 {
            0 => String::new(),
            n => format!("{n} firing"),
        },
        AlertsView::Unknown { .. } => "unknown".to_owned(),
    }
}

#[component]
fn Table(alerts: Vec<AlertView>, state: State, old: bool) -> impl IntoView {
    let rows = alerts
        .into_iter()
        .map(|alert| view! { <Row alert state /> })
        .collect_view();
    view! {
        <table class="alerts" role="table" class:is-old=old>
            <caption class:hidden=!old>{if old { "As it was known last" } else { "Alerts, what fires first" }}</caption>
            <thead class="hidden" role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Alert"</th>
                    <th role="columnheader" scope="col">"Severity and state"</th>
                    <th role="columnheader" scope="col">"Since"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
}

#[component]
fn Row(alert: AlertView, state: State) -> impl IntoView {
    let clock = state.clock;
    let may = state.may.get_value();
    let since_ms = alert.active_since_ms;
    let band = band_of(&alert);
    let since = move || {
        let Clock { now_ms, zone } = clock.get();
        match zone {
            Zone::Utc => format!("since {}", short_stamp(since_ms, now_ms, zone)),
            Zone::Local(_) => format!("for {}", length(now_ms - since_ms)),
        }
    };
    view! {
        <tr class="alert" role="row" data-state=alert.state.word()>
            <th class="alert-what" role="rowheader" scope="row">
                <span class="alert-name">
                    {match alert.metric {
                        Some(id) => view! { <a href=format!("/health/{id}")>{alert.name}</a> }.into_any(),
                        None => alert.name.into_any(),
                    }}
                </span>
                <span class="alert-summary">{alert.summary}</span>
                <span class="alert-labels">{alert.labels}</span>
                {alert.runbook.map(|place| view! { <Runbook place /> })}
                <Remedies actions=alert.actions may />
            </th>
            <td class="alert-state" role="cell">
                <span class="band" data-band=band.as_str()>
                    <BandShape band />
                    <span class="band-word">{alert.severity.word()}</span>
                </span>
                <span class="alert-phase">{alert.state.word()}</span>
            </td>
            <td class="alert-since" role="cell">
                <time datetime=iso(since_ms) title=move || stamp(since_ms, clock.get().zone)>
                    {since}
                </time>
            </td>
        </tr>
    }
}

/// The band whose shape and colour stand for an alert. One that nobody is notified of keeps its shape, and its
/// state is said in words.
const fn band_of(alert: &AlertView) -> Band {
    match alert.severity {
        Severity::Critical => Band::Alert,
        Severity::Warning => Band::Degraded,
        Severity::Info => Band::Ok,
    }
}
