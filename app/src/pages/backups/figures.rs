//! How much would be lost and how long it would take, each against what has to be reached.

use leptos::prelude::*;
use quarterdeck_domain::health::Band;

use super::history::{Bars, Dots};
use crate::{
    components::{
        band::BandBadge,
        moment::{Time, length, limit},
    },
    view::backup::{RpoView, RtoView},
};

/// A part of a gauge: how much, and which style.
type Part = (i64, &'static str);

/// A share of a gauge's scale in thousandths.
fn thousandths(value_ms: i64, scale_ms: i64) -> i64 {
    value_ms.clamp(0, scale_ms) * 1_000 / scale_ms.max(1)
}

/// A value against its target: what is beyond the target is seen to be.
#[component]
fn Gauge(parts: Vec<Part>, target_ms: i64) -> impl IntoView {
    let total: i64 = parts.iter().map(|part| part.0).sum();
    let scale_ms = (target_ms * 5 / 4).max(total);
    let mut from = 0;
    let rects = parts
        .into_iter()
        .map(|(value, class)| {
            let x = thousandths(from, scale_ms);
            from += value;
            // What is there is seen, however little it is.
            let width = (thousandths(from, scale_ms) - x).max(i64::from(value > 0) * 4);
            view! { <rect class=class x=x.to_string() width=width.to_string() y="2" height="10"></rect> }
        })
        .collect_view();
    let target = thousandths(target_ms, scale_ms).to_string();
    view! {
        <svg class="recovery-gauge" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <rect class="gauge-ground" width="1000" y="2" height="10"></rect>
            {rects}
            <rect class="gauge-target" x=target width="3" height="14"></rect>
        </svg>
    }
}

/// The number of a figure, or that there is none.
fn number(ms: Option<i64>) -> String {
    ms.map_or_else(|| "not known".to_owned(), length)
}

fn target(target_ms: i64) -> String {
    limit(u64::try_from(target_ms / 1_000).unwrap_or(0))
}

#[component]
fn Head(id: &'static str, title: &'static str, band: Band) -> impl IntoView {
    view! {
        <h2>
            <span id=id>{title}</span>
            <BandBadge band />
        </h2>
    }
}

#[component]
fn Notes(notes: Vec<String>) -> impl IntoView {
    (!notes.is_empty()).then(|| {
        view! { <ul class="recovery-notes">{notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}</ul> }
    })
}

/// How much would be lost.
#[component]
pub(super) fn Rpo(view: RpoView, now_ms: i64) -> impl IntoView {
    let parts = view
        .exposed_ms
        .map_or_else(Vec::new, |exposed| vec![(exposed, "gauge-value")]);
    // What is only idleness is told apart: nothing of it would be lost.
    let idle = view
        .age_ms
        .zip(view.exposed_ms)
        .map(|(age, exposed)| (age - exposed).max(0))
        .filter(|idle| *idle >= 1_000);
    let nothing = view.exposed_ms == Some(0);
    view! {
        <section class="panel recovery-figure" id="rpo" data-live="part" data-band=view.band.as_str() aria-labelledby="rpo-title">
            <Head id="rpo-title" title="Would be lost now (RPO)" band=view.band />
            <p class="recovery-number">
                <b>{if nothing { "nothing".to_owned() } else { number(view.exposed_ms) }}</b>
                <span class="note">{format!("against a target of {}", target(view.target_ms))}</span>
            </p>
            <Gauge parts target_ms=view.target_ms />
            <dl class="recovery-facts">
                <div>
                    <dt>"Newest commit that is safe"</dt>
                    <dd>
                        {match view.reachable_at_ms {
                            Some(at_ms) => view! { <Time at_ms /> }.into_any(),
                            None => "not known".into_any(),
                        }}
                        {view.age_ms.map(|age| view! { <span class="note">{format!(", {} ago", length(age))}</span> })}
                    </dd>
                </div>
                {idle
                    .map(|idle| {
                        view! {
                            <div>
                                <dt>"Of that only idleness"</dt>
                                <dd>{length(idle)} <span class="note">", in which nobody wrote: nothing of it is lost"</span></dd>
                            </div>
                        }
                    })}
                <div>
                    <dt>"Lost if the standby took over"</dt>
                    <dd>
                        {match view.standby_ms {
                            Some(ms) if ms < 1_000 => "less than 1 s".to_owned(),
                            ms => number(ms),
                        }}
                    </dd>
                </div>
                <div>
                    <dt>"Worst of the last 30 days"</dt>
                    <dd>
                        {match view.worst {
                            Some((ms, at_ms)) => view! {
                                {length(ms)}
                                <span class="note">", " <Time at_ms /></span>
                            }
                                .into_any(),
                            None => "not known".into_any(),
                        }}
                    </dd>
                </div>
            </dl>
            <Notes notes=view.notes />
            {if view.history.is_empty() {
                view! {
                    <p class="empty">"Its history appears here as soon as the console has looked at the archive and the primary."</p>
                }
                    .into_any()
            } else {
                view! {
                    <h3>"The last 24 hours"</h3>
                    <Bars points=view.history target_ms=view.target_ms now_ms />
                }
                    .into_any()
            }}
        </section>
    }
}

/// How long a recovery would take.
#[component]
pub(super) fn Rto(view: RtoView, now_ms: i64) -> impl IntoView {
    let parts = view.estimate_ms.map_or_else(Vec::new, |estimate| {
        let human = view.human_ms.min(estimate);
        vec![(human, "gauge-human"), (estimate - human, "gauge-value")]
    });
    view! {
        <section class="panel recovery-figure" id="rto" data-live="part" data-band=view.band.as_str() aria-labelledby="rto-title">
            <Head id="rto-title" title="Would take to recover (RTO)" band=view.band />
            <p class="recovery-number">
                <b>{number(view.estimate_ms)}</b>
                <span class="note">{format!("against a target of {}", target(view.target_ms))}</span>
            </p>
            <Gauge parts target_ms=view.target_ms />
            <dl class="recovery-facts">
                <div>
                    <dt>"What people need of it"</dt>
                    <dd>{length(view.human_ms)} <span class="note">", as declared"</span></dd>
                </div>
                <div>
                    <dt>"What machines need"</dt>
                    <dd>
                        {number(view.estimate_ms.map(|estimate| (estimate - view.human_ms).max(0)))}
                        <span class="note">
                            {if view.estimate_ms.is_some() { ", measured by drills, at today's size" } else { "" }}
                        </span>
                    </dd>
                </div>
                <div>
                    <dt>"The last drills"</dt>
                    <dd>
                        {view
                            .spread_ms
                            .map_or_else(
                                || "none has succeeded".to_owned(),
                                |(least, most)| format!("{} to {}", length(least), length(most)),
                            )}
                    </dd>
                </div>
            </dl>
            <Notes notes=view.notes />
            {if view.history.is_empty() {
                view! {
                    <p class="empty">
                        "Each restore drill appears here as a dot, with how long it took. Until one has succeeded, how long a recovery \
                        takes is not known."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <h3>"Restore drills"</h3>
                    <Dots points=view.history target_ms=view.target_ms now_ms />
                }
                    .into_any()
            }}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_cut_off_at_its_ends() {
        assert_eq!(thousandths(0, 100), 0);
        assert_eq!(thousandths(50, 100), 500);
        assert_eq!(thousandths(500, 100), 1_000);
        assert_eq!(thousandths(5, 0), 0);
    }
}
