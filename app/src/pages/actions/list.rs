//! `/actions`: what waits, for whom, and what was.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::board::{mark, state_name};
use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    ports::Which,
    view::action::{ActionCountsView, ActionLineView, ActionsView},
};

/// The page.
#[component]
pub fn ActionsPage() -> impl IntoView {
    let signed = signed();
    let query = use_query_map().get_untracked();
    let which = Which::parse(&query.get("which").unwrap_or_default());
    let before = query.get("before").and_then(|text| text.parse().ok());
    view! {
        <Page title="Actions" name="actions">
            {Suspend::new(async move {
                match load(signed, which, before).await {
                    Ok(view) => view! { <List view which /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(
    signed: Result<Signed, ConsoleError>,
    which: Which,
    before: Option<i64>,
) -> Result<ActionsView, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    console.actions(&subject, which, before).await
}

#[component]
fn List(view: ActionsView, which: Which) -> impl IntoView {
    let ActionCountsView {
        requested,
        approved,
        executing,
        to_review,
        waiting_for_me,
    } = view.counts;
    let tab = move |to: Which, text: String| {
        let path = format!("/actions?which={}", to.as_str());
        view! { <a href=path aria-current=(to == which).then_some("page")>{text}</a> }
    };
    let empty = view.actions.is_empty();
    let rows = view
        .actions
        .into_iter()
        .map(|line| view! { <Line line /> })
        .collect_view();
    let next = view
        .next_before
        .map(|before| format!("/actions?which={}&before={before}", which.as_str()));
    view! {
        <h1>"Actions"</h1>
        <p class="lead">
            {format!(
                "{requested} wait for approval, {approved} are ready to start, {executing} running, {to_review} to be reviewed.",
            )}
        </p>
        <nav class="segments" aria-label="Which actions">
            {tab(Which::Open, "Open".to_owned())}
            {tab(Which::Mine, format!("Waiting for me ({waiting_for_me})"))}
            {tab(Which::All, "All".to_owned())}
        </nav>
        <p><a href="/actions/policy">"Who may ask for what, and who has to agree"</a></p>
        {if empty {
            view! {
                <p class="empty">
                    {match which {
                        Which::Open => "No action is open. Actions begin where the need arises: on the database page, or below.",
                        Which::Mine => "Nothing waits for you.",
                        Which::All => "No action was ever asked for here.",
                    }}
                </p>
            }
                .into_any()
        } else {
            view! { <ul class="action-lines">{rows}</ul> }.into_any()
        }}
        {next.map(|path| view! { <a class="button" href=path>"Older ones"</a> })}
        <section class="actions-begin" aria-labelledby="begin">
            <h2 id="begin">"Begin one"</h2>
            <ul>
                <li><a href="/database">"Cancel a query or terminate backends"</a> ", on the database page"</li>
                <li><a href="/actions/new?kind=maintenance_on">"Switch maintenance mode on"</a></li>
                <li><a href="/actions/new?kind=maintenance_off">"Switch maintenance mode off"</a></li>
            </ul>
        </section>
    }
}

#[component]
fn Line(line: ActionLineView) -> impl IntoView {
    let path = format!("/actions/{}", line.id);
    view! {
        <li class="action-line" data-state=state_name(line.state)>
            <span class="action-mark" aria-hidden="true">{mark(line.state)}</span>
            <a class="action-line-title" href=path>{format!("{} {}: {}", line.number, line.title, line.object)}</a>
            <span class="action-line-state">
                {line.state.word()}
                {line.break_glass.then(|| view! { <span class="tag tag-glass">"glass was broken"</span> })}
                {line.waiting_for_me.map(|what| view! { <span class="tag">"for you: " {what}</span> })}
            </span>
            <span class="action-line-who">{line.requester} ", " <Time at_ms=line.requested_at_ms /></span>
        </li>
    }
}
