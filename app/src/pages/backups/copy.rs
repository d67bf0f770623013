//! `/backups/copies?name=…`: one copy that is kept.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    copies::growth,
    drills::Drill,
    forms::{CopyForms, May},
    marks::{Mark, of_copy},
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
    view::backup::{CopyPageView, VerificationView},
};

/// The page of a copy.
#[component]
pub fn CopyPage() -> impl IntoView {
    let signed = signed();
    let name = use_query_map().get_untracked().get("name").unwrap_or_default();
    view! {
        <Page title="Backup" name="backup">
            {Suspend::new(async move {
                match load(signed, &name).await {
                    Ok((view, may)) => view! {
                        <nav class="backup-ways" aria-label="Ways back">
                            <a href="/backups">"Backups"</a>
                        </nav>
                        <h1>{view.copy.method.label()} " " <span class="copy-name">{view.copy.name.clone()}</span></h1>
                        <CopyForms may=may.clone() copy=view.copy.clone() />
                        <div class="backup-parts" id="copy" data-live="part"><Copy view with_run=true may /></div>
                        <RefreshParts every_s=5 />
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
    name: &str,
) -> Result<(CopyPageView, Option<May>), ConsoleError> {
    let signed = signed?;
    let view = signed.console.backup_copy(&signed.subject, name).await?;
    Ok((view, May::of(&signed)))
}

/// Everything that is known of a copy.
#[component]
pub(super) fn Copy(
    /// The copy.
    view: CopyPageView,
    /// Whether the way to its run is shown.
    with_run: bool,
    /// Who may end its drills.
    may: Option<May>,
) -> impl IntoView {
    let CopyPageView {
        copy,
        place,
        run,
        facts,
        files,
        verifications,
        drills,
    } = view;
    let run = run
        .filter(|_| with_run)
        .map(|run| view! { <div><dt>"Made by"</dt><dd><a href=format!("/backups/runs/{run}")>"its run"</a></dd></div> });
    let files = files
        .into_iter()
        .map(|file| {
            view! {
                <tr>
                    <th scope="row"><code class="copy-name">{file.path}</code></th>
                    <td class="figure" data-label="Size">{bytes(file.bytes)}</td>
                    <td data-label="SHA-256"><code class="copy-name">{file.sha256}</code></td>
                </tr>
            }
        })
        .collect::<Vec<_>>();
    view! {
        <section class="panel" aria-labelledby="copy-title">
            <h2>
                <span id="copy-title">"The copy"</span>
                <Mark look=of_copy(&copy.condition) />
            </h2>
            {copy.damage.map(|damage| view! { <p class="message" data-kind="error">{damage}</p> })}
            <dl class="backup-facts">
                <div>
                    <dt>"Leads back to"</dt>
                    <dd><Time at_ms=copy.instant_ms /></dd>
                </div>
                <div>
                    <dt>"Size"</dt>
                    <dd>{bytes(copy.bytes)} <span class="note">{format!(", {} against the one before", growth(copy.growth_percent))}</span></dd>
                </div>
                <div>
                    <dt>"Verified"</dt>
                    <dd>
                        {match copy.verified_at_ms {
                            Some(at_ms) => view! { <Time at_ms /> }.into_any(),
                            None => "never".into_any(),
                        }}
                    </dd>
                </div>
                <div>
                    <dt>"Pinned"</dt>
                    <dd>
                        {match copy.pinned {
                            Some((by, reason)) => format!("by {by}: {reason}"),
                            None => "no: it goes when it is older than its method is kept for".to_owned(),
                        }}
                    </dd>
                </div>
                <div>
                    <dt>"Stored in"</dt>
                    <dd><code>{place}</code></dd>
                </div>
                {run}
                {facts
                    .into_iter()
                    .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
                    .collect_view()}
            </dl>
        </section>
        <section class="panel" aria-labelledby="files-title">
            <h2 id="files-title">"Files"</h2>
            {if files.is_empty() {
                view! {
                    <p class="empty">
                        "What files it is made of is not known: no manifest stands beside it, or it can't be read. Without its checksums a \
                        flipped bit is found by its format alone, if at all."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <div class="table-frame" role="group" aria-label="Files" tabindex="0">
                        <table class="table table-cards">
                            <thead>
                                <tr>
                                    <th scope="col">"File"</th>
                                    <th scope="col" class="figure">"Size"</th>
                                    <th scope="col">"SHA-256 when it was made"</th>
                                </tr>
                            </thead>
                            <tbody>{files}</tbody>
                        </table>
                    </div>
                }
                    .into_any()
            }}
        </section>
        <section class="panel" aria-labelledby="verifications-title">
            <h2 id="verifications-title">"Verifications"</h2>
            {if verifications.is_empty() {
                view! {
                    <p class="empty">
                        "It has not been verified. Each time that all of it is read, and held against its checksums, appears here."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <ol class="backup-events">
                        {verifications.into_iter().map(|verification| view! { <Verification verification /> }).collect_view()}
                    </ol>
                }
                    .into_any()
            }}
        </section>
        <section class="panel" aria-labelledby="drills-title">
            <h2 id="drills-title">"Restore drills"</h2>
            {if drills.is_empty() {
                view! {
                    <p class="empty">
                        "It has not been restored. Each drill that restores it into a cluster of its own appears here, step by step, with \
                        what its checks found."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <ol class="backup-events">
                        {drills.into_iter().map(|drill| view! { <Drill drill named=false may=may.clone() /> }).collect_view()}
                    </ol>
                }
                    .into_any()
            }}
        </section>
    }
}

fn list(items: Vec<String>) -> impl IntoView {
    (!items.is_empty())
        .then(|| view! { <ul>{items.into_iter().map(|item| view! { <li>{item}</li> }).collect_view()}</ul> })
}

#[component]
fn Verification(verification: VerificationView) -> impl IntoView {
    view! {
        <li>
            <p>
                <Mark look=of_copy(&verification.condition) />
                " "
                <Time at_ms=verification.began_at_ms />
                <span class="note">
                    {format!(", took {}, by {}", length(verification.ended_at_ms - verification.began_at_ms), verification.by)}
                </span>
            </p>
            {list(verification.findings)}
        </li>
    }
}
