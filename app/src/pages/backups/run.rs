//! `/backups/runs/<id>`: one run, and what it made.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    copy::Copy,
    forms::{CancelRun, May},
    marks::{Mark, of_run},
    runs::{Bar, progress},
};
use crate::{
    components::{
        failure::Failure,
        follow::RefreshParts,
        moment::{Time, length},
        page::Page,
        size::bytes,
    },
    error::ConsoleError,
    pages::{Signed, signed},
    view::backup::{RunPageView, RunView},
};

/// The page of a run.
#[component]
pub fn RunPage() -> impl IntoView {
    let signed = signed();
    let id = use_params_map().get_untracked().get("id").unwrap_or_default();
    view! {
        <Page title="Backup run" name="backup">
            {Suspend::new(async move {
                match load(signed, &id).await {
                    Ok((view, may)) => view! {
                        <nav class="backup-ways" aria-label="Ways back">
                            <a href="/backups">"Backups"</a>
                        </nav>
                        <h1>"Run: " {view.run.method.label()}</h1>
                        <div class="backup-parts" id="run" data-live="part"><Run view may /></div>
                        <RefreshParts every_s=3 />
                    }
                    .into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(
    signed: Result<Signed, ConsoleError>,
    id: &str,
) -> Result<(RunPageView, Option<May>), ConsoleError> {
    let signed = signed?;
    let view = signed.console.backup_run(&signed.subject, id).await?;
    Ok((view, May::of(&signed)))
}

/// How long it took against what is usual.
fn took(run: &RunView, usual_ms: Option<i64>, now_ms: i64) -> String {
    let took = length(run.ended_at_ms.unwrap_or(now_ms) - run.began_at_ms);
    match usual_ms {
        Some(usual) => format!("{took}, usually {}", length(usual)),
        None => took,
    }
}

#[component]
fn Run(view: RunPageView, may: Option<May>) -> impl IntoView {
    let RunPageView {
        read_at_ms,
        run,
        log,
        usual_ms,
        copy,
    } = view;
    let running = run.state == "running";
    let gone = copy.is_none().then(|| run.backup.clone()).flatten();
    let took = took(&run, usual_ms, read_at_ms);
    let cancel_by = may.clone().filter(|_| !run.cancelling);
    let cancel_id = run.id.clone();
    let now = running.then(|| {
        let what = if run.cancelling { "It is being cancelled.".to_owned() } else { run.phase.clone() };
        view! {
            <div class="backup-running">
                <Bar run=run.clone() />
                <p class="figure">{progress(&run)} <span class="note">{(!what.is_empty()).then(|| format!(" · {what}"))}</span></p>
                <CancelRun may=cancel_by id=cancel_id />
            </div>
        }
    });
    view! {
        <section class="panel" aria-labelledby="run-title">
            <h2>
                <span id="run-title">"The run"</span>
                <Mark look=of_run(&run.state) />
            </h2>
            {run.error.map(|error| view! { <p class="message" data-kind="error">{error}</p> })}
            {now}
            <dl class="backup-facts">
                <div>
                    <dt>"Began"</dt>
                    <dd><Time at_ms=run.began_at_ms /> <span class="note">{format!(", by {} on {}", run.by, run.host)}</span></dd>
                </div>
                {run.ended_at_ms.map(|at_ms| view! { <div><dt>"Ended"</dt><dd><Time at_ms /></dd></div> })}
                <div>
                    <dt>{if running { "Takes since" } else { "Took" }}</dt>
                    <dd>{took}</dd>
                </div>
                <div>
                    <dt>"Bytes"</dt>
                    <dd>{bytes(run.done_bytes)}</dd>
                </div>
                {run.exit_code.map(|code| view! { <div><dt>"Exit code"</dt><dd>{code}</dd></div> })}
                {gone
                    .map(|name| {
                        view! {
                            <div>
                                <dt>"Its copy"</dt>
                                <dd><span class="copy-name">{name}</span> <span class="note">" is no longer kept"</span></dd>
                            </div>
                        }
                    })}
            </dl>
            {(!run.command.is_empty()).then(|| view! { <h3>"Command"</h3> <pre class="code" tabindex="0">{run.command}</pre> })}
            <h3>"Log"</h3>
            {if log.is_empty() {
                view! { <p class="note">"No program said anything."</p> }.into_any()
            } else {
                view! { <pre class="code" tabindex="0">{log}</pre> }.into_any()
            }}
        </section>
        {copy.map(|view| view! { <Copy view with_run=false may /> })}
    }
}
