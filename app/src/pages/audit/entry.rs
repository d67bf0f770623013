//! `/audit/<number>`: one row of the audit log, its text, and what proves it.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use quarterdeck_domain::audit::{Position, Search, search::PAGE};
use serde_json::Value;

use super::{OutcomeMark, actor, same_action, same_object};
use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::audit::{AuditCheckView, AuditEntryView, AuditRowView},
};

/// The page of one row.
#[component]
pub fn AuditEntryPage() -> impl IntoView {
    let seq = use_params_map().get_untracked().get("seq").unwrap_or_default();
    let signed = signed();
    view! {
        <Page title=format!("Row {seq} of the audit log") name="audit-entry">
            {Suspend::new(async move {
                match load(signed, seq).await {
                    Ok(entry) => view! { <Entry entry /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>, seq: String) -> Result<AuditEntryView, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    let seq = seq.parse().map_err(|_| {
        ConsoleError::NotFound(format!(
            "There is no row {seq:?} in the audit log; rows are numbered from 1."
        ))
    })?;
    console.audit_entry(&subject, seq).await
}

#[component]
fn Entry(entry: AuditEntryView) -> impl IntoView {
    let AuditEntryView {
        row,
        canonical,
        recomputed_hash,
        verifies,
        checks,
        previous,
        next,
        newest,
    } = entry;
    let neighbour = |seq: Option<u64>, rel: &'static str, word: &'static str| {
        seq.map(|seq| {
            view! { <a class="button" rel=rel href=format!("/audit/{seq}")>{format!("{word} {seq}")}</a> }
        })
    };
    // In the middle of its page, with what happened before and after.
    let search = Search {
        position: Position::Before(row.seq.saturating_add(u64::from(PAGE / 2) + 1)),
        ..Search::default()
    };
    let in_list = format!("/audit?{}", search.to_query());
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol>
                <li><a href="/audit">"Audit log"</a></li>
                <li aria-current="page">{format!("Row {}", row.seq)}</li>
            </ol>
        </nav>
        <header class="audit-head">
            <div>
                <h1>{row.sentence.clone()}</h1>
                <p class="audit-entry-when">
                    <Time at_ms=row.at_ms />
                    <OutcomeMark outcome=row.outcome.clone() />
                    <Verdict verifies />
                </p>
            </div>
            <nav class="audit-pages" aria-label="Rows around it">
                {neighbour(previous, "prev", "Row")}
                {neighbour(next, "next", "Row")}
                <a class="button" href=in_list>"In the list"</a>
            </nav>
        </header>
        <div class="audit-columns">
            <section class="panel" aria-labelledby="event-title">
                <h2 id="event-title">"What is recorded"</h2>
                <Facts row=row.clone() />
            </section>
            <section class="panel" aria-labelledby="proof-title">
                <h2 id="proof-title">"What proves it"</h2>
                <ul class="audit-checks">
                    {checks.into_iter().map(|check| view! { <Check check /> }).collect_view()}
                </ul>
                <dl class="audit-facts">
                    <div><dt>"Previous hash"</dt><dd><code>{row.prev_hash}</code></dd></div>
                    <div><dt>"Its hash"</dt><dd><code>{row.hash}</code></dd></div>
                    <div><dt>"Made anew"</dt><dd><code>{recomputed_hash}</code></dd></div>
                </dl>
                <p class="note">
                    {format!(
                        "A look at one row shows whether it or its neighbours were changed. Whether the whole log, {newest} rows by now, is the one that was written is shown by ",
                    )}
                    <code>"quarterdeck audit verify --expect-head"</code>
                    " with a head that was kept elsewhere."
                </p>
            </section>
        </div>
        <section class="panel" aria-labelledby="text-title">
            <h2 id="text-title">"The text under the hash"</h2>
            <pre class="code" tabindex="0" aria-labelledby="text-title">{canonical}</pre>
        </section>
    }
}

#[component]
fn Verdict(verifies: bool) -> impl IntoView {
    let (band, shape, word) = if verifies {
        ("ok", "✓", "Verifies")
    } else {
        ("alert", "✕", "Does not verify")
    };
    view! {
        <span class="outcome" data-band=band>
            <span aria-hidden="true">{shape}</span>
            <span>{word}</span>
        </span>
    }
}

#[component]
fn Check(check: AuditCheckView) -> impl IntoView {
    let (band, shape, word) = if check.holds {
        ("ok", "✓", "holds: ")
    } else {
        ("alert", "✕", "does not hold: ")
    };
    view! {
        <li data-band=band>
            <span class="audit-check-shape" aria-hidden="true">{shape}</span>
            <span>
                <strong>{check.title}</strong>
                <span class="hidden">" " {word}</span>
                <span class="audit-check-text">{check.text}</span>
            </span>
        </li>
    }
}

/// The fields of the event, and its particulars.
#[component]
fn Facts(row: AuditRowView) -> impl IntoView {
    let (who, who_href) = actor(&row);
    let (action_href, object_href) = (same_action(&row), same_object(&row));
    let particulars = row
        .detail
        .into_iter()
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    value.to_string()
                }
            };
            view! { <div><dt>{name}</dt><dd>{text}</dd></div> }
        })
        .collect_view();
    view! {
        <dl class="audit-facts">
            <div><dt>"Actor"</dt><dd><a href=who_href>{who}</a> {format!(" ({})", row.actor_kind.replace('_', " "))}</dd></div>
            {row.actor_id.map(|id| view! { <div><dt>"Account id"</dt><dd><code>{id}</code></dd></div> })}
            <div><dt>"Action"</dt><dd><a href=action_href><code>{row.action}</code></a></dd></div>
            <div><dt>"Object"</dt><dd><a href=object_href>{format!("{} {}", row.object_kind, row.object_id)}</a></dd></div>
            {row.source.map(|source| view! { <div><dt>"Came from"</dt><dd>{source}</dd></div> })}
            {row.trace_id.map(|id| view! { <div><dt>"Trace id"</dt><dd><code>{id}</code></dd></div> })}
            {particulars}
        </dl>
    }
}
