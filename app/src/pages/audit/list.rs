//! `/audit`: who did what, to what, when, and how it ended.

use leptos::prelude::*;
use quarterdeck_domain::{
    access::{Permission, decide},
    audit::{Position, Search},
};

use super::{OutcomeMark, actor, filter::FilterForm, same_action, same_object};
use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::audit::{AuditPageView, AuditRowView, SearchedToView},
};

/// What the page shows.
struct Loaded {
    search: Search,
    page: AuditPageView,
    may_export: bool,
}

/// The page of a search.
#[component]
pub fn AuditPage() -> impl IntoView {
    let signed = signed();
    view! {
        <Page title="Audit log" name="audit">
            {Suspend::new(async move {
                match load(signed).await {
                    Ok(loaded) => view! { <Rows loaded /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<Loaded, ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let query = request
        .path_and_query
        .split_once('?')
        .map_or("", |(_, query)| query);
    let search = Search::from_query(query)
        .map_err(|error| ConsoleError::BadRequest(format!("This can't be searched for: {error}.")))?;
    let page = console.audit_page(&subject, &search).await?;
    Ok(Loaded {
        may_export: decide(&subject, Permission::ExportAudit).is_allowed(),
        search,
        page,
    })
}

#[component]
fn Rows(loaded: Loaded) -> impl IntoView {
    let Loaded {
        search,
        page,
        may_export,
    } = loaded;
    let upward = matches!(search.position, Position::After(_));
    let searched = page.searched_to.clone().map(|to| {
        let on = match (upward, page.older, page.newer) {
            (true, _, Some(seq)) => Some(Position::After(seq)),
            (false, Some(seq), _) => Some(Position::Before(seq)),
            (true, _, None) | (false, None, _) => None,
        };
        view! { <SearchedTo to upward href=on.map(|on| link(&search, on)) /> }
    });
    let empty = page.rows.is_empty() && page.searched_to.is_none();
    let rows = page
        .rows
        .iter()
        .cloned()
        .map(|row| view! { <Row row /> })
        .collect_view();
    let list = (!page.rows.is_empty())
        .then(|| view! { <ol class="audit-rows panel" aria-label="Rows, the newest first">{rows}</ol> });
    view! {
        <header class="audit-head">
            <div>
                <h1>"Audit log"</h1>
                <p class="lead">
                    "Who did what, to what, and how it ended. Rows are chained by their hashes; the page of each row shows its proof."
                </p>
            </div>
            {may_export.then(|| view! { <Export search=search.clone() /> })}
        </header>
        <FilterForm filter=search.filter.clone() />
        {list}
        {empty.then(|| view! { <Empty everything=search.filter.is_empty() /> })}
        {searched}
        <Pages search page />
    }
}

fn link(search: &Search, position: Position) -> String {
    format!("/audit?{}", search.at(position).to_query())
}

#[component]
fn Empty(everything: bool) -> impl IntoView {
    let text = if everything {
        "Nothing has been recorded here yet. Sign-ins, changes of accounts and everything that is done with the console appear here."
    } else {
        "No row fits this search. Names and ids have to be whole; leave a field out to search for more."
    };
    view! { <p class="empty">{text}</p> }
}

/// One row in the list.
#[component]
fn Row(row: AuditRowView) -> impl IntoView {
    let (who, who_href) = actor(&row);
    let (action_href, object_href) = (same_action(&row), same_object(&row));
    let fault = row.fault.map(|fault| {
        view! { <p class="message" data-kind="error">{format!("This row does not verify. {fault}")}</p> }
    });
    view! {
        <li class="audit-row">
            <a class="audit-seq" href=format!("/audit/{}", row.seq)>
                <span class="hidden">"Row "</span>
                {row.seq}
            </a>
            <div class="audit-when"><Time at_ms=row.at_ms /></div>
            <div class="audit-what">
                <p class="audit-sentence">{row.sentence}</p>
                <p class="audit-raw">
                    <a href=who_href>{who}</a>
                    <a href=action_href><code>{row.action}</code></a>
                    <a href=object_href>{format!("{} {}", row.object_kind, row.object_id)}</a>
                    {row.source.map(|source| view! { <span>{format!("from {source}")}</span> })}
                </p>
                {fault}
            </div>
            <OutcomeMark outcome=row.outcome />
        </li>
    }
}

/// Says that the search was interrupted, and how it goes on.
#[component]
fn SearchedTo(to: SearchedToView, upward: bool, href: Option<String>) -> impl IntoView {
    let way = if upward { "up" } else { "back" };
    view! {
        <div class="audit-searched message" role="status">
            <p>
                {format!("Few rows fit, so the search has looked {way} to row {} so far", to.seq)}
                {to.at_ms.map(|at_ms| view! { ", of " <Time at_ms /> })}
                "."
            </p>
            {href.map(|href| view! { <a class="button" href=href>"Search on"</a> })}
        </div>
    }
}

/// Ways to the rows around those that are shown.
#[component]
fn Pages(search: Search, page: AuditPageView) -> impl IntoView {
    let newest = (search.position != Position::Newest)
        .then(|| view! { <a class="button" href=link(&search, Position::Newest)>"Newest"</a> });
    let newer = page.newer.map(
        |seq| view! { <a class="button" rel="prev" href=link(&search, Position::After(seq))>"Newer"</a> },
    );
    let older = page.older.map(
        |seq| view! { <a class="button" rel="next" href=link(&search, Position::Before(seq))>"Older"</a> },
    );
    let shown = match (page.rows.first(), page.rows.last()) {
        (Some(first), Some(last)) if first.seq != last.seq => {
            format!("{} rows, {} to {}", page.rows.len(), first.seq, last.seq)
        }
        (Some(only), Some(_)) => format!("Row {}", only.seq),
        (None, _) | (_, None) => String::new(),
    };
    view! {
        <nav class="audit-pages" aria-label="Pages of the log">
            {newest} {newer} {older}
            <span class="note">{shown}</span>
        </nav>
    }
}

/// Links that take the rows of the search away as a file.
#[component]
fn Export(search: Search) -> impl IntoView {
    let query = search.at(Position::Newest).to_query();
    let href = move |format: &str| format!("/api/v1/audit/export?format={format}&{query}");
    view! {
        <p class="audit-export">
            <span>
                {if search.filter.is_empty() { "Take the whole log away" } else { "Take all that fits away" }}
                <span class="note">" (is recorded)"</span>
            </span>
            <a class="button" href=href("csv") download>"CSV"</a>
            <a class="button" href=href("jsonl") download>"JSON Lines"</a>
        </p>
    }
}
