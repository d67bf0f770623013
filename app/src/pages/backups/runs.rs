//! Runs: what is being made, and what was made of late.

use leptos::prelude::*;

use super::{
    forms::{CancelRun, May},
    marks::{Mark, of_run},
};
use crate::{
    components::{
        moment::{Time, length},
        size::bytes,
    },
    view::backup::RunView,
};

/// How far a run is, in hundredths; none if it is not known how much there will be.
fn hundredths(run: &RunView) -> Option<u64> {
    let total = run.total_bytes.filter(|total| *total > 0)?;
    Some(run.done_bytes.min(total).saturating_mul(100) / total)
}

/// How far a run is, in words.
pub(super) fn progress(run: &RunView) -> String {
    let done = match run.total_bytes {
        Some(total) => format!("{} of {}", bytes(run.done_bytes), bytes(total)),
        None => bytes(run.done_bytes),
    };
    let share = hundredths(run).map_or_else(String::new, |n| format!(", {n} %"));
    let rate = run
        .rate_bytes_per_s
        .map_or_else(String::new, |rate| format!(", {}/s", bytes(rate)));
    let left = run
        .total_bytes
        .zip(run.rate_bytes_per_s)
        .filter(|(_, rate)| *rate > 0)
        .and_then(|(total, rate)| i64::try_from(total.saturating_sub(run.done_bytes) / rate).ok())
        .map_or_else(String::new, |s| format!(", about {} left", length(s * 1_000)));
    format!("{done}{share}{rate}{left}")
}

/// How far a run is, as a bar.
#[component]
pub(super) fn Bar(
    /// The run.
    run: RunView,
) -> impl IntoView {
    hundredths(&run).map(|done| {
        view! {
            <svg class="gauge" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                <rect class="gauge-ground" width="100" height="4"></rect>
                <rect class="gauge-value" width=done.to_string() height="4"></rect>
            </svg>
        }
    })
}

/// Runs that are under way; nothing while there is none.
#[component]
pub(super) fn Running(runs: Vec<RunView>, now_ms: i64, may: Option<May>) -> impl IntoView {
    let items = runs
        .into_iter()
        .filter(|run| run.state == "running")
        .map(|run| {
            let what = if run.cancelling { "is being cancelled".to_owned() } else { run.phase.clone() };
            view! {
                <li class="backup-running">
                    <p>
                        <Mark look=of_run(&run.state) />
                        " "
                        <a href=format!("/backups/runs/{}", run.id)>{run.method.label()}</a>
                        <span class="note">{format!(" for {} on {}, by {}", length(now_ms - run.began_at_ms), run.host, run.by)}</span>
                    </p>
                    <Bar run=run.clone() />
                    <p class="figure">{progress(&run)} <span class="note">{(!what.is_empty()).then(|| format!(" · {what}"))}</span></p>
                    <CancelRun may=may.clone().filter(|_| !run.cancelling) id=run.id.clone() />
                </li>
            }
        })
        .collect::<Vec<_>>();
    view! {
        <div id="running" data-live="part">
            {(!items.is_empty())
                .then(|| {
                    view! {
                        <section class="panel" aria-labelledby="running-title">
                            <h2 id="running-title">"Under way"</h2>
                            <ul class="backup-runnings">{items}</ul>
                        </section>
                    }
                })}
        </div>
    }
}

/// The last runs.
#[component]
pub(super) fn Runs(runs: Vec<RunView>, now_ms: i64) -> impl IntoView {
    let none = runs.is_empty();
    let rows = runs
        .into_iter()
        .map(|run| {
            let took = run.ended_at_ms.unwrap_or(now_ms) - run.began_at_ms;
            view! {
                <tr>
                    <th scope="row"><a href=format!("/backups/runs/{}", run.id)>{run.method.label()}</a></th>
                    <td data-label="State"><Mark look=of_run(&run.state) /></td>
                    <td data-label="Began"><Time at_ms=run.began_at_ms /></td>
                    <td data-label="Took" class="figure">{length(took)}</td>
                    <td data-label="Bytes" class="figure">{bytes(run.done_bytes)}</td>
                    <td data-label="By">{run.by}</td>
                    <td>{run.error.map(|error| view! { <p class="backup-error">{error}</p> })}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel backup-runs" id="runs" data-live="part" aria-labelledby="runs-title">
            <h2 id="runs-title">"Last runs"</h2>
            {if none {
                view! {
                    <p class="empty">
                        "No run has been seen yet. Those of the schedules appear here, those that somebody asks for, and those of jobs \
                        elsewhere that tell of themselves: quarterdeck backup run -- COMMAND."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <div class="table-frame" role="group" aria-label="Last runs" tabindex="0">
                        <table class="table table-cards">
                            <thead>
                                <tr>
                                    <th scope="col">"Method"</th>
                                    <th scope="col">"State"</th>
                                    <th scope="col">"Began"</th>
                                    <th scope="col" class="figure">"Took"</th>
                                    <th scope="col" class="figure">"Bytes"</th>
                                    <th scope="col">"By"</th>
                                    <th scope="col">"What went wrong"</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }
                    .into_any()
            }}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::backup::Method;

    use super::*;

    fn run(done_bytes: u64, total_bytes: Option<u64>, rate: Option<u64>) -> RunView {
        RunView {
            id: "r".into(),
            method: Method::Dump,
            state: "running".into(),
            by: "schedule".into(),
            host: "console-1".into(),
            began_at_ms: 0,
            ended_at_ms: None,
            phase: String::new(),
            done_bytes,
            total_bytes,
            rate_bytes_per_s: rate,
            command: String::new(),
            exit_code: None,
            error: None,
            backup: None,
            cancelling: false,
        }
    }

    #[test]
    fn progress_says_what_is_known_and_no_more() {
        assert_eq!(progress(&run(1 << 30, None, None)), "1.0 GB");
        assert_eq!(
            progress(&run(1 << 30, Some(4 << 30), Some(1 << 24))),
            "1.0 GB of 4.0 GB, 25 %, 16.0 MB/s, about 3 min left"
        );
        // More than was thought at first.
        assert_eq!(progress(&run(5, Some(4), Some(0))), "5 B of 4 B, 100 %, 0 B/s");
    }
}
