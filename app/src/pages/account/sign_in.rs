//! `/sign-in`: a plain form, so that it works before and without scripts.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

use crate::{
    components::icon::Mark,
    ports::{ConsoleHandle, RequestContext},
};

/// What the form has to say about the last attempt.
struct Message {
    /// `error` or `notice`.
    kind: &'static str,
    text: String,
}

fn message(query: &ParamsMap) -> Option<Message> {
    let error = |text: String| Some(Message { kind: "error", text });
    let notice = |text: &str| {
        Some(Message {
            kind: "notice",
            text: text.to_owned(),
        })
    };
    match query.get("error").as_deref() {
        Some("credentials") => {
            return error("User name and password don't go together. Check both, and try again.".into());
        }
        Some("busy") => return error("Too many people are signing in at this moment. Try again.".into()),
        Some("over") => {
            return error("Your session has ended. Sign in again to go on where you were.".into());
        }
        Some("stale") => return error("This form was too old, or came from another site. Try again.".into()),
        Some("unavailable") => {
            return error(
                "The console can't reach its database, so nobody can sign in now. Who is signed in already can go on \
                 looking. Try again in a moment."
                    .into(),
            );
        }
        Some(_) => return error("Signing in failed. Try again.".into()),
        None => {}
    }
    match query.get("notice").as_deref() {
        Some("signed-out") => notice("You are signed out."),
        Some(_) | None => None,
    }
}

/// A local path to go on to; anything else leads to the overview, so that nobody is sent to another site.
fn next(query: &ParamsMap) -> String {
    query
        .get("next")
        .filter(|n| n.starts_with('/') && !n.starts_with("//") && !n.contains('\\'))
        .unwrap_or_else(|| "/".to_owned())
}

/// The sign-in page.
#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let system = use_context::<ConsoleHandle>()
        .map(|c| c.title())
        .unwrap_or_default();
    let request = use_context::<RequestContext>();
    let csrf = request.as_ref().map(|r| r.csrf_token.clone()).unwrap_or_default();
    let demo = request.as_ref().is_some_and(|r| r.demo);
    let signed_in = request.and_then(|r| r.subject).map(|s| s.display_name);
    let message = message(&query);
    let failed = message.as_ref().is_some_and(|m| m.kind == "error");
    view! {
        <Title text="Sign in · Quarterdeck" />
        <main id="main" class="page page-sign-in">
            <div class="sign-in">
                <p class="sign-in-brand"><Mark /> "Quarterdeck"</p>
                <h1>{format!("Sign in to {system}")}</h1>
                {message
                    .map(|m| {
                        view! {
                            <p
                                id="sign-in-message"
                                class="message"
                                data-kind=m.kind
                                role=if m.kind == "error" { "alert" } else { "status" }
                            >
                                {m.text}
                            </p>
                        }
                    })}
                {signed_in
                    .map(|name| {
                        view! {
                            <p class="message" data-kind="notice">
                                {format!("You are signed in as {name}. ")} <a href="/">"Go to the overview"</a>
                            </p>
                        }
                    })}
                <form method="post" action="/sign-in">
                    <input type="hidden" name="csrf" value=csrf />
                    <input type="hidden" name="next" value=next(&query) />
                    <label class="field">
                        <span>"User name"</span>
                        <input
                            name="username"
                            type="text"
                            autocomplete="username"
                            autocapitalize="none"
                            spellcheck="false"
                            maxlength="128"
                            required
                            autofocus
                            aria-describedby=failed.then_some("sign-in-message")
                        />
                    </label>
                    <label class="field">
                        <span>"Password"</span>
                        <input
                            name="password"
                            type="password"
                            autocomplete="current-password"
                            maxlength="1024"
                            required
                            aria-describedby=failed.then_some("sign-in-message")
                        />
                    </label>
                    <button class="button button-primary" type="submit">
                        "Sign in"
                    </button>
                </form>
                {demo
                    .then(|| {
                        view! {
                            <p class="sign-in-hint">
                                "This is the demo: " <code>"make run"</code>
                                " printed its accounts and their passwords where it was started."
                            </p>
                        }
                    })}
                <p class="sign-in-hint">
                    "No account? Whoever runs this console makes one with " <code>"quarterdeck user add"</code> "."
                </p>
            </div>
        </main>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&'static str, &str)]) -> ParamsMap {
        let mut map = ParamsMap::new();
        for (key, value) in pairs {
            map.insert(*key, (*value).to_owned());
        }
        map
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for bad in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "evil",
            "",
        ] {
            assert_eq!(next(&query(&[("next", bad)])), "/", "{bad}");
        }
        assert_eq!(
            next(&query(&[("next", "/health/redis_ops?range=1h")])),
            "/health/redis_ops?range=1h"
        );
    }

    #[test]
    fn every_code_of_the_server_has_words() {
        let text = |kind: &'static str, code: &'static str| {
            message(&query(&[(kind, code)])).map(|m| m.text).unwrap()
        };
        let failed = text("error", "failed");
        for code in ["credentials", "busy", "over", "stale", "unavailable"] {
            assert_ne!(text("error", code), failed, "{code}");
        }
        assert_eq!(text("notice", "signed-out"), "You are signed out.");
        assert!(message(&query(&[])).is_none());
    }
}
