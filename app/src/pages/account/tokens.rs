//! `/account/tokens`: what one lets programs do in one's name, and how to end it.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::api_token::{ApiTokenView, ApiTokensView, RefusedToken, ScopeView, TokenStateView},
};

/// For how many days a token can be made, as far as the configuration goes.
const DAYS: [(u32, &str); 5] = [
    (1, "1 day"),
    (7, "7 days"),
    (30, "30 days"),
    (90, "90 days"),
    (365, "1 year"),
];

/// What became of the last form: kind and text.
fn message(query: &ParamsMap) -> Option<(&'static str, &'static str)> {
    match (query.get("error").as_deref(), query.get("notice").as_deref()) {
        (Some("no-such-token"), _) => Some(("error", "That token does not work any more.")),
        (Some("unavailable"), _) => Some((
            "error",
            "Nothing was changed: the console can't reach its database. Try again in a moment.",
        )),
        (Some(_), _) => Some((
            "error",
            "Nothing was changed. Try again; the server log says why it failed.",
        )),
        (None, Some("revoked")) => Some((
            "notice",
            "The token was revoked. Whatever used it is refused from now on.",
        )),
        (None, Some("made-before")) => Some((
            "notice",
            "That form was sent before, and made one token, which can't be shown again. If you have not seen it, revoke it and make \
             another.",
        )),
        (None, Some(_) | None) => None,
    }
}

/// The API tokens of the person who asks.
#[component]
pub fn TokensPage() -> impl IntoView {
    let signed = signed();
    let message = message(&use_query_map().get_untracked());
    let refused = use_context::<RefusedToken>();
    view! {
        <Page title="Your API tokens" name="tokens">
            {Suspend::new(async move {
                match load(signed).await {
                    Ok((csrf, made, tokens)) => view! { <Tokens csrf made tokens message refused /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(
    signed: Result<Signed, ConsoleError>,
) -> Result<(String, Option<String>, ApiTokensView), ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let tokens = console.api_tokens(&subject).await?;
    Ok((request.csrf_token, request.new_token, tokens))
}

#[component]
fn Tokens(
    csrf: String,
    made: Option<String>,
    tokens: ApiTokensView,
    message: Option<(&'static str, &'static str)>,
    refused: Option<RefusedToken>,
) -> impl IntoView {
    let ApiTokensView {
        new_id,
        tokens,
        max_days,
        scopes,
    } = tokens;
    let list = if tokens.is_empty() {
        view! { <p class="empty">"You have no API token. Make one for each program, so that each can be revoked by itself."</p> }.into_any()
    } else {
        let rows = tokens
            .into_iter()
            .map(|token| view! { <Token csrf=csrf.clone() token /> })
            .collect_view();
        view! { <ul class="tokens panel" aria-label="Tokens, the newest first">{rows}</ul> }.into_any()
    };
    view! {
        <h1>"Your API tokens"</h1>
        <p class="lead">
            "With a token a program asks the REST API in your name, as far as you let it: send it as "
            <code>"Authorization: Bearer …"</code>
            ". No token can agree to anything for you, and none can make another. What is done with one is recorded with its name. \
             A new password does not end tokens; disabling your account does."
        </p>
        {message
            .map(|(kind, text)| {
                view! {
                    <p class="message" data-kind=kind role=if kind == "error" { "alert" } else { "status" }>
                        {text}
                    </p>
                }
            })}
        {made.map(|secret| view! { <Made secret /> })}
        {list}
        {if max_days == 0 {
            view! { <p class="note">"The console's configuration lets nobody make tokens."</p> }.into_any()
        } else {
            view! { <Make csrf new_id max_days scopes refused /> }.into_any()
        }}
    }
}

/// The new token, this once.
#[component]
fn Made(secret: String) -> impl IntoView {
    view! {
        <section class="message token-made" role="status" aria-labelledby="made-title">
            <h2 id="made-title">"Your new token"</h2>
            <p>"Copy it now: it is shown this once, and nobody can look it up again."</p>
            <input
                class="token-secret"
                type="text"
                readonly
                aria-labelledby="made-title"
                autocomplete="off"
                spellcheck="false"
                value=secret
            />
        </section>
    }
}

#[component]
fn Token(csrf: String, token: ApiTokenView) -> impl IntoView {
    let works = token.state == TokenStateView::Works;
    let state = match token.state {
        TokenStateView::Works => view! { "Works until " <Time at_ms=token.expires_at_ms /> }.into_any(),
        TokenStateView::Expired { at_ms } => view! { "Expired " <Time at_ms /> }.into_any(),
        TokenStateView::Revoked { at_ms } => view! { "Revoked " <Time at_ms /> }.into_any(),
    };
    let used = match token.last_used_at_ms {
        Some(at_ms) => view! {
            "Last used " <Time at_ms />
            {token.last_used_address.map(|address| format!(" from {address}"))}
        }
        .into_any(),
        None => "Never used".into_any(),
    };
    let revoke = works.then(|| {
        view! {
            <form method="post" action=format!("/account/tokens/{}/revoke", token.id)>
                <input type="hidden" name="csrf" value=csrf />
                <button class="button" type="submit" aria-label=format!("Revoke {}", token.name)>
                    "Revoke"
                </button>
            </form>
        }
    });
    view! {
        <li class="token" data-works=works.to_string()>
            <div class="token-what">
                <p>
                    <strong class="token-name">{token.name}</strong>
                    " "
                    <code>{token.prefix} "…"</code>
                </p>
                <p class="token-scopes">
                    {token.scopes.into_iter().map(|scope| view! { <code>{scope}</code> }).collect_view()}
                </p>
            </div>
            <p class="token-when">
                <span>{state}</span>
                <span>{used}</span>
                <span>"Made " <Time at_ms=token.created_at_ms /></span>
            </p>
            {revoke}
        </li>
    }
}

#[component]
fn Make(
    csrf: String,
    new_id: String,
    max_days: u32,
    scopes: Vec<ScopeView>,
    refused: Option<RefusedToken>,
) -> impl IntoView {
    let mut days: Vec<(u32, String)> = DAYS
        .iter()
        .filter(|(days, _)| *days <= max_days)
        .map(|(days, words)| (*days, (*words).to_owned()))
        .collect();
    if days.last().is_none_or(|(longest, _)| *longest < max_days) {
        days.push((max_days, format!("{max_days} days")));
    }
    let had_chosen = refused.as_ref().and_then(|refused| refused.days.parse().ok());
    let chosen = had_chosen.unwrap_or(if max_days < 30 { max_days } else { 30 });
    let days = days
        .into_iter()
        .map(
            |(days, words)| view! { <option value=days.to_string() selected=days == chosen>{words}</option> },
        )
        .collect_view();
    let again = refused.is_some();
    let (name, given, problem) = refused
        .map(|refused| (refused.name, refused.scopes, Some(refused.problem)))
        .unwrap_or_default();
    let scopes = scopes
        .into_iter()
        .map(|scope| {
            let checked = given.contains(&scope.name);
            view! {
                <label class="check">
                    <input type="checkbox" name="scope" value=scope.name.clone() checked=checked />
                    <span>{scope.words} " " <code>{scope.name}</code></span>
                </label>
            }
        })
        .collect_view();
    view! {
        <form class="token-make panel" method="post" action="/account/tokens" aria-labelledby="make-title">
            <h2 id="make-title">"Make a token"</h2>
            {problem.map(|problem| view! { <p class="message" data-kind="error" role="alert">{problem}</p> })}
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="id" value=new_id />
            <div class="token-fields">
                <label class="field">
                    <span>"Name"</span>
                    <input
                        type="text"
                        name="name"
                        required
                        maxlength="60"
                        placeholder="nightly report"
                        autocomplete="off"
                        value=name
                    />
                </label>
                <label class="field">
                    <span>"Works for"</span>
                    <select name="days">{days}</select>
                </label>
            </div>
            <fieldset>
                <legend>"It may"</legend>
                {scopes}
            </fieldset>
            <label class="field token-password">
                <span>"Your password"</span>
                <input
                    type="password"
                    name="password"
                    autocomplete="current-password"
                    required
                    autofocus=again
                />
            </label>
            <p><button class="button button-primary" type="submit">"Make it"</button></p>
        </form>
    }
}
