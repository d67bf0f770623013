//! What a metric is made from, and what became of it: the parts of its page that don't move.

use leptos::prelude::*;
use quarterdeck_domain::{action::ActionKind, health::Unit};

use crate::{
    components::{
        band::BandBadge,
        moment::{Time, length, limit},
        remedy::{Remedies, remedies},
        runbook::Runbook,
    },
    view::health::{LoadedRuleView, MetricView, RuleView, TransitionView},
};

/// The changes of band, the newest first.
#[component]
pub(super) fn Transitions(transitions: Vec<TransitionView>, unit: Unit) -> impl IntoView {
    if transitions.is_empty() {
        return view! {
            <p class="empty">"No change of band has been recorded. Each one will stand here with its time, value and reason."</p>
        }
        .into_any();
    }
    let rows = transitions
        .into_iter()
        .map(|t| view! { <TransitionRow t unit /> })
        .collect_view();
    view! {
        <div class="table-frame" role="group" aria-label="Changes of band" tabindex="0">
            <table class="table">
                <caption class="hidden">"Changes of band, the newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Band"</th>
                        <th scope="col">"Value"</th>
                        <th scope="col">"What decided"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn TransitionRow(t: TransitionView, unit: Unit) -> impl IntoView {
    let held = (t.at_ms > t.since_ms).then(|| format!("counted after {}", length(t.at_ms - t.since_ms)));
    view! {
        <tr>
            <td><Time at_ms=t.since_ms /></td>
            <td class="transition">
                <BandBadge band=t.from />
                <span class="transition-to">" to "</span>
                <BandBadge band=t.to />
            </td>
            <td class="figure">{t.value.map_or_else(|| "–".to_owned(), |v| unit.text(v))}</td>
            <td class="muted">
                {[t.member, t.reason, held].into_iter().flatten().collect::<Vec<_>>().join("; ")}
            </td>
        </tr>
    }
}

/// Query, rule, limits and links.
#[component]
pub(super) fn Making(metric: MetricView, may: Vec<ActionKind>) -> impl IntoView {
    let tile = metric.tile;
    let helps = !remedies(&tile.actions, &may).is_empty();
    let reduced = metric.series_label.map_or_else(
        || "one number".to_owned(),
        |label| format!("one number a {label}; the worst decides"),
    );
    view! {
        <dl class="making">
            <div>
                <dt>"Query"</dt>
                <dd><Code text=metric.query label="PromQL of the metric" /></dd>
            </div>
            {metric
                .freshness
                .map(|freshness| {
                    view! {
                        <div>
                            <dt>"Age is that of"</dt>
                            <dd><Code text=freshness label="Series that tells the age" /></dd>
                        </div>
                    }
                })}
            <div>
                <dt>"Alert rule"</dt>
                <dd><Rule rule=metric.rule /></dd>
            </div>
            <div>
                <dt>"Kind"</dt>
                <dd>{format!("{}, {reduced}", metric.kind.word())}</dd>
            </div>
            <div>
                <dt>"Thresholds"</dt>
                <dd>
                    {format!(
                        "target {}, alert {}",
                        tile.thresholds.target_text(tile.unit),
                        tile.thresholds.alert_text(tile.unit),
                    )}
                </dd>
            </div>
            <div>
                <dt>"Patience"</dt>
                <dd>
                    {format!(
                        "unknown when older than {}; worse counts after {}, better after {}",
                        limit(metric.stale_after_s),
                        limit(metric.raise_after_s),
                        limit(metric.clear_after_s),
                    )}
                </dd>
            </div>
            {helps
                .then(|| {
                    view! {
                        <div id="actions">
                            <dt>"What can be done"</dt>
                            <dd><Remedies actions=tile.actions may /></dd>
                        </div>
                    }
                })}
            <div>
                <dt>"More"</dt>
                <dd class="making-links">
                    {metric.runbook.map(|place| view! { <Runbook place /> })}
                    {metric.grafana_url.map(|href| view! { <a href=href>"Dashboard in Grafana"</a> })}
                    <a href="/api/v1/openapi.json">"API description"</a>
                </dd>
            </div>
        </dl>
    }
}

#[component]
fn Rule(rule: Option<RuleView>) -> impl IntoView {
    let Some(RuleView { name, loaded }) = rule else {
        return view! { <p>"No alert rule is configured for this metric."</p> }.into_any();
    };
    match loaded {
        Some(LoadedRuleView {
            expression,
            for_s,
            state,
        }) => {
            let waits = if for_s == 0 {
                "at once".to_owned()
            } else {
                format!("after {}", limit(for_s))
            };
            view! {
                <p><strong>{name}</strong> {format!(", fires {waits}; now {state}")}</p>
                <Code text=expression label="PromQL of the rule" />
            }
            .into_any()
        }
        None => view! {
            <p>
                <strong>{name}</strong>
                ", not loaded: Prometheus does not have this rule, or does not answer. Nobody is woken by it."
            </p>
        }
        .into_any(),
    }
}

/// Program text that scrolls by itself; reachable by keyboard, because it may scroll.
#[component]
fn Code(#[prop(into)] text: String, label: &'static str) -> impl IntoView {
    view! {
        <pre class="code" tabindex="0" role="group" aria-label=label>
            <code>{text.trim().to_owned()}</code>
        </pre>
    }
}
