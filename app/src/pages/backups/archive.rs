//! The archive of WAL: what is there of each timeline, and what is missing.

use leptos::prelude::*;
use quarterdeck_domain::backup::{SegmentSize, TimelineContinuity};
use time::OffsetDateTime;

use crate::{
    components::{moment::Time, size::bytes},
    view::backup::ArchiveView,
};

fn ms(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1_000 + i64::from(at.millisecond())
}

/// The archive, or how to get one.
#[component]
pub(super) fn Archive(archive: Option<ArchiveView>) -> impl IntoView {
    view! {
        <section class="panel backup-archive" id="archive" data-live="part" aria-labelledby="archive-title">
            <h2 id="archive-title">"WAL archive"</h2>
            {match archive {
                Some(archive) => view! { <Content archive /> }.into_any(),
                None => view! {
                    <p class="empty">
                        "No archive is configured. Give [backups.wal_archive] the place to which archive_command stores the segments, and \
                        what is there of each timeline appears here, with every gap by its segments."
                    </p>
                }
                    .into_any(),
            }}
        </section>
    }
}

#[component]
fn Content(archive: ArchiveView) -> impl IntoView {
    let troubles: Vec<String> = archive
        .failing
        .into_iter()
        .chain(archive.gaps)
        .chain(archive.findings)
        .collect();
    let waiting = match archive.waiting {
        None => "not known".to_owned(),
        Some(0) => "none".to_owned(),
        Some(n) => n.to_string(),
    };
    let rows = archive
        .timelines
        .into_iter()
        .map(|timeline| view! { <Timeline timeline /> })
        .collect_view();
    view! {
        {(!troubles.is_empty())
            .then(|| {
                view! {
                    <ul class="backup-troubles" data-band="alert">
                        {troubles
                            .into_iter()
                            .map(|trouble| view! { <li><span aria-hidden="true">"✕ "</span>{trouble}</li> })
                            .collect_view()}
                    </ul>
                }
            })}
        <dl class="backup-facts">
            <div>
                <dt>"Place"</dt>
                <dd><code>{archive.place}</code></dd>
            </div>
            <div>
                <dt>"Stored"</dt>
                <dd>{format!("{} segments, {}", archive.segments, bytes(archive.bytes))}</dd>
            </div>
            <div>
                <dt>"Waiting on the primary"</dt>
                <dd>{waiting}</dd>
            </div>
        </dl>
        <div class="table-frame" role="group" aria-label="Timelines" tabindex="0">
            <table class="table table-cards">
                <thead>
                    <tr>
                        <th scope="col">"Timeline"</th>
                        <th scope="col">"Without a break"</th>
                        <th scope="col">"Missing after it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

/// A row for each stretch of a timeline, with the gap that follows it.
#[component]
fn Timeline(timeline: TimelineContinuity) -> impl IntoView {
    let size = SegmentSize::DEFAULT;
    let number = timeline.timeline;
    let origin = match (timeline.began, timeline.history_missing) {
        (Some((parent, at)), _) => format!(" from {parent} at {at}"),
        (None, true) => ", its history is missing".to_owned(),
        (None, false) => String::new(),
    };
    let left = timeline
        .left_at
        .map_or_else(String::new, |at| format!(", left at {at}"));
    let gaps = timeline.gaps;
    timeline
        .runs
        .into_iter()
        .map(|run| {
            let missing: Vec<String> = gaps
                .iter()
                .filter(|gap| gap.first == run.last.number + 1)
                .map(|gap| format!("{}: {}", gap.count(), gap.missing.label()))
                .collect();
            let missing = if missing.is_empty() {
                "nothing".to_owned()
            } else {
                missing.join(", ")
            };
            view! {
                <tr>
                    <th scope="row">
                        <span class="table-cards-only">"Timeline "</span>
                        {number}
                        <span class="note">{origin.clone()} {left.clone()}</span>
                    </th>
                    <td data-label="Without a break">
                        <code>{run.first.file_name(size)}</code>
                        <span class="note">"to "</span>
                        <code>{run.last.file_name(size)}</code>
                        <span class="note">
                            {format!("{} segments, the last stored ", run.count())}
                            <Time at_ms=ms(run.last_stored_at) />
                        </span>
                    </td>
                    <td data-label="Missing after it">{missing}</td>
                </tr>
            }
        })
        .collect_view()
}
