//! `/actions/policy`: who may ask for what, who has to agree, and what is frozen now.

use leptos::prelude::*;

use super::plan::sentences;
use crate::{
    components::{
        failure::Failure,
        moment::{Time, limit},
        page::Page,
    },
    error::ConsoleError,
    pages::{Signed, signed},
    view::action::{FreezeWindowView, KindPolicyView, PolicyInForceView},
};

/// The page.
#[component]
pub fn PolicyPage() -> impl IntoView {
    let signed = signed();
    view! {
        <Page title="Policy" name="policy">
            {Suspend::new(async move {
                match load(signed).await {
                    Ok(view) => view! { <InForce view /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<PolicyInForceView, ConsoleError> {
    let Signed { console, subject, .. } = signed?;
    console.policy(&subject).await
}

#[component]
fn InForce(view: PolicyInForceView) -> impl IntoView {
    let PolicyInForceView {
        version,
        since_ms,
        kinds,
        windows,
    } = view;
    let none = windows.is_empty();
    let windows = windows
        .into_iter()
        .map(|window| view! { <Window window /> })
        .collect_view();
    let kinds = kinds
        .into_iter()
        .map(|kind| view! { <Kind kind /> })
        .collect_view();
    view! {
        <h1>"Policy"</h1>
        <p class="lead">
            {format!("Version {version}, in force since ")} <Time at_ms=since_ms />
            ". It comes from the configuration. Every version is kept, and consent counts only for the one that it was given under."
        </p>
        <section class="panel" aria-labelledby="windows">
            <h2 id="windows">"Freeze windows"</h2>
            {if none {
                view! { <p class="note">"None is configured: no time is forbidden."</p> }.into_any()
            } else {
                view! { <ul class="freeze-windows">{windows}</ul> }.into_any()
            }}
        </section>
        <div class="policy-kinds">{kinds}</div>
    }
}

#[component]
fn Window(window: FreezeWindowView) -> impl IntoView {
    let FreezeWindowView {
        name,
        denies,
        kinds,
        cron,
        duration_s,
        open_until_ms,
        opens_ms,
    } = window;
    let titles: Vec<_> = kinds.iter().map(|kind| kind.spec().title).collect();
    let what = if titles.is_empty() {
        "everything".to_owned()
    } else {
        titles.join(", ")
    };
    let (effect, open, closed) = if denies {
        ("Forbids", "forbids now, until ", "open: forbids from ")
    } else {
        (
            "Is when alone is allowed",
            "allows now, until ",
            "allows again from ",
        )
    };
    let now = match (open_until_ms, opens_ms) {
        (Some(at_ms), _) => Some((open, at_ms)),
        (None, Some(at_ms)) => Some((closed, at_ms)),
        (None, None) => None,
    };
    let holds = open_until_ms.is_some() == denies;
    view! {
        <li class="freeze-window" data-holds=holds.to_string()>
            <strong>{name}</strong>
            <span>{format!("{effect}: {what}.")}</span>
            <span class="freeze-when">
                "Opens at " <code>{cron}</code>
                {format!(" (UTC) for {}", limit(u64::from(duration_s)))}
                {now.map(|(word, at_ms)| view! { "; " {word} <Time at_ms /> })}
            </span>
        </li>
    }
}

#[component]
fn Kind(kind: KindPolicyView) -> impl IntoView {
    let KindPolicyView {
        kind,
        title,
        summary,
        risk,
        rules,
        frozen,
        not_set_up,
        may_request,
    } = kind;
    let several = rules.len() > 1;
    let rules = rules
        .iter()
        .map(|rule| {
            let rows = sentences(rule)
                .into_iter()
                .map(|text| view! { <li>{text}</li> })
                .collect_view();
            let head = several.then(|| match rule.min_targets {
                0 => view! { <h3>"Whatever it touches"</h3> }.into_any(),
                n => view! { <h3>{format!("When it touches {n} or more")}</h3> }.into_any(),
            });
            view! {
                {head}
                <ul class="policy">{rows}</ul>
            }
        })
        .collect_view();
    let id = kind.as_str();
    let you = match (&not_set_up, may_request) {
        (None, true) => Some("You may ask for it."),
        (None, false) => Some("You may not ask for it."),
        (Some(_), true | false) => None,
    };
    view! {
        <section class="panel policy-kind" aria-labelledby=id>
            <h2 id=id>{title} " " <span class="panel-note">{format!("{} risk", risk.as_str())}</span></h2>
            <p class="note">{summary}</p>
            {rules}
            {frozen.map(|text| view! { <p class="policy-frozen">{format!("Now: {text}.")}</p> })}
            {not_set_up.map(|reason| view! { <p class="note">{format!("It can't be done here: {reason}.")}</p> })}
            {you.map(|text| view! { <p class="note">{text}</p> })}
        </section>
    }
}
