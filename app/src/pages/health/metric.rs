//! `/health/<id>`: one metric.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use quarterdeck_domain::{action::ActionKind, chart::RangePreset};

use super::{
    MetricChart, MetricLive,
    facts::{Making, Transitions},
    range::{Asked, MAX_POINTS, field},
};
use crate::{
    components::{failure::Failure, page::Page, sent::Sent},
    error::ConsoleError,
    pages::{Signed, signed},
    view::health::{MetricView, RangeView, TransitionView},
};

/// So many changes of band are listed.
const TRANSITIONS: u32 = 50;

/// What the page shows. Chart and history may fail on their own: the rest of the page stays.
struct Loaded {
    metric: MetricView,
    may: Vec<ActionKind>,
    asked: Asked,
    chart: Result<RangeView, ConsoleError>,
    transitions: Result<Vec<TransitionView>, ConsoleError>,
    now_ms: i64,
}

/// The page of one metric.
#[component]
pub fn MetricPage() -> impl IntoView {
    let id = use_params_map().get_untracked().get("id").unwrap_or_default();
    let asked = Asked::read(&use_query_map().get_untracked());
    let signed = signed();
    // The title is known before the answer, so that Page needs not wait for it.
    let title = signed
        .as_ref()
        .ok()
        .and_then(|s| {
            s.console
                .metric_index()
                .into_iter()
                .find(|(known, _)| *known == id)
        })
        .map_or_else(|| "Metric".to_owned(), |(_, title)| title);
    view! {
        <Page title name="metric" live=true>
            {Suspend::new(async move {
                match load(signed, id, asked).await {
                    Ok(loaded) => view! { <Metric loaded /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(
    signed: Result<Signed, ConsoleError>,
    id: String,
    asked: Result<Asked, ConsoleError>,
) -> Result<Loaded, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    let asked = asked?;
    let now_ms = console.now_ms();
    let (metric, chart, transitions) = futures::join!(
        console.metric(&subject, &id),
        console.range(&subject, &id, asked.at(now_ms / 1_000), MAX_POINTS),
        console.transitions(&subject, &id, TRANSITIONS),
    );
    Ok(Loaded {
        metric: metric?,
        may: console.may_request(&subject),
        asked,
        chart,
        transitions,
        now_ms,
    })
}

#[component]
fn Metric(loaded: Loaded) -> impl IntoView {
    let Loaded {
        metric,
        may,
        asked,
        chart,
        transitions,
        now_ms,
    } = loaded;
    let tile = metric.tile.clone();
    let unit = tile.unit;
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li><a href="/">"Overview"</a></li>
                <li><a href="/">{metric.group.clone()}</a></li>
                <li aria-current="page">{tile.title.clone()}</li>
            </ol>
        </nav>
        <header class="metric-head">
            <div class="metric-title">
                <h1>{tile.title.clone()}</h1>
                <p class="lead">{metric.description.clone()}</p>
            </div>
            <MetricLive
                tile=Sent(tile.clone())
                event_id=metric.event_id.clone()
                poll_interval_ms=metric.poll_interval_ms
                rendered_at_ms=now_ms
            />
        </header>
        <section class="panel metric-chart" aria-labelledby="chart-title">
            <div class="metric-chart-head">
                <h2 id="chart-title">"History"</h2>
                <Ranges asked now_ms id=tile.id.clone() />
            </div>
            {match chart {
                Ok(range) => view! {
                    <MetricChart
                        id=tile.id.clone()
                        title=tile.title.clone()
                        unit=Sent(unit)
                        thresholds=Sent(tile.thresholds)
                        range=Sent(range)
                        asked=Sent(asked)
                        rendered_at_ms=now_ms
                    />
                }
                    .into_any(),
                Err(error) => view! {
                    <p class="message" data-kind="error" role="status">
                        {format!("The chart can't be drawn. {error}")}
                    </p>
                }
                    .into_any(),
            }}
        </section>
        <div class="metric-columns">
            <section class="panel" aria-labelledby="transitions-title">
                <h2 id="transitions-title">"Changes of band"</h2>
                {match transitions {
                    Ok(transitions) => view! { <Transitions transitions unit /> }.into_any(),
                    Err(error) => view! {
                        <p class="message" data-kind="error" role="status">
                            {format!("The history can't be read. {error}")}
                        </p>
                    }
                        .into_any(),
                }}
            </section>
            <section class="panel" aria-labelledby="making-title">
                <h2 id="making-title">"How it is made"</h2>
                <Making may metric />
            </section>
        </div>
    }
}

/// Preset ranges, a step to either side, a form for any range, and downloads of the one that is shown.
#[component]
fn Ranges(asked: Asked, now_ms: i64, id: String) -> impl IntoView {
    let range = asked.at(now_ms / 1_000);
    let (from, to, length) = (range.from_s(), range.to_s(), range.seconds());
    let presets = RangePreset::ALL
        .map(|preset| {
            let current = (asked == Asked::Preset(preset)).then_some("page");
            view! {
                <a href=format!("?range={}", preset.as_str()) aria-current=current title=preset.words()>
                    <span class="hidden">"Last "</span>
                    {preset.as_str()}
                </a>
            }
        })
        .collect_view();
    let shifted = |from: i64| format!("?from={}&to={}", field(from), field(from + length));
    let download = |kind: &str| format!("/api/v1/health/{id}/{kind}?from={from}&to={to}");
    view! {
        <div class="ranges">
            <nav class="segments" aria-label="Range">{presets}</nav>
            <nav class="segments" aria-label="Shift the range">
                <a href=shifted(from - length)>"Earlier"</a>
                {(to + length <= now_ms / 1_000).then(|| view! { <a href=shifted(from + length)>"Later"</a> })}
            </nav>
            <form class="range-form" method="get">
                <label>
                    <span>"From"</span>
                    <input type="datetime-local" name="from" step="1" required value=field(from) />
                </label>
                <label>
                    <span>"to"</span>
                    <input type="datetime-local" name="to" step="1" required value=field(to) />
                </label>
                <span class="range-zone">"UTC"</span>
                <button class="button" type="submit">"Show"</button>
            </form>
            <p class="downloads">
                <span class="hidden">"Download this range: "</span>
                <a href=download("range.csv") download>"CSV"</a>
                <a href=download("range") download=format!("{id}.json")>"JSON"</a>
            </p>
        </div>
    }
}
