//! The form that says what to look for. It sends its fields into the address, so that a search is a link.

use leptos::prelude::*;
use quarterdeck_domain::audit::{
    Action, Filter, Outcome,
    event::ActorKind,
    search::{Actions, family_of, field},
};

/// The form, filled in with what is looked for.
#[component]
pub(super) fn FilterForm(
    /// What is looked for.
    filter: Filter,
) -> impl IntoView {
    let chosen_action = filter
        .actions
        .as_ref()
        .map(Actions::to_string)
        .unwrap_or_default();
    let groups = Actions::families()
        .into_iter()
        .map(|family| {
            let all = Actions::Family(family).to_string();
            let members = Action::ALL
                .iter()
                .filter(|action| family_of(**action) == family)
                .map(|action| option(action.as_str(), action.as_str(), &chosen_action))
                .collect_view();
            view! {
                <optgroup label=family>
                    {option(&all, &format!("all of {family}"), &chosen_action)}
                    {members}
                </optgroup>
            }
        })
        .collect_view();
    let chosen_kind = filter.actor_kind.map(ActorKind::as_str).unwrap_or_default();
    let kinds = ActorKind::ALL
        .map(|kind| option(kind.as_str(), &kind.as_str().replace('_', " "), chosen_kind))
        .collect_view();
    let chosen_outcome = filter.outcome.map(Outcome::as_str).unwrap_or_default();
    let outcomes = Outcome::ALL
        .map(|outcome| option(outcome.as_str(), outcome.as_str(), chosen_outcome))
        .collect_view();
    let clear = (!filter.is_empty()).then(|| view! { <a class="button" href="/audit">"Clear"</a> });
    view! {
        <form class="audit-filter panel" method="get" action="/audit" role="search" aria-label="Search the audit log">
            <Text label="Actor" name="actor" value=filter.actor hint="ada, cli:root" />
            <label class="field">
                <span>"Kind of actor"</span>
                <select name="actor_kind">
                    <option value="">"any"</option>
                    {kinds}
                </select>
            </label>
            <label class="field">
                <span>"Action"</span>
                <select name="action">
                    <option value="">"any"</option>
                    {groups}
                </select>
            </label>
            <label class="field">
                <span>"Outcome"</span>
                <select name="outcome">
                    <option value="">"any"</option>
                    {outcomes}
                </select>
            </label>
            <Text label="Kind of object" name="object_kind" value=filter.object_kind hint="account, session" />
            <Text label="Object" name="object_id" value=filter.object_id hint="its whole name or id" />
            <Instant label="From (UTC)" name="from" at=filter.from.map(field) />
            <Instant label="To, not included (UTC)" name="to" at=filter.to.map(field) />
            <p class="audit-filter-do">
                <button class="button button-primary" type="submit">"Search"</button>
                {clear}
            </p>
        </form>
    }
}

fn option(value: &str, words: &str, chosen: &str) -> impl IntoView + use<> {
    let selected = value == chosen;
    view! { <option value=value.to_owned() selected=selected>{words.to_owned()}</option> }
}

#[component]
fn Text(label: &'static str, name: &'static str, value: Option<String>, hint: &'static str) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <input type="text" name=name value=value.unwrap_or_default() placeholder=hint autocapitalize="none" spellcheck="false" />
        </label>
    }
}

#[component]
fn Instant(label: &'static str, name: &'static str, at: Option<String>) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <input type="datetime-local" name=name step="1" value=at.unwrap_or_default() />
        </label>
    }
}
