//! Who is signed in, and what they can do about it. Plain `<details>` and forms: it works without scripts.

use leptos::prelude::*;

use crate::ports::{RequestContext, Theme};

/// The menu at the right end of the top bar; a link to sign in for somebody who is signed out.
#[component]
pub fn AccountMenu(
    /// The request that the page answers.
    request: RequestContext,
) -> impl IntoView {
    let Some(subject) = request.subject.clone() else {
        return view! {
            <a class="button" href="/sign-in">
                "Sign in"
            </a>
        }
        .into_any();
    };
    let name = if request.display_name.is_empty() {
        subject.display_name.clone()
    } else {
        request.display_name.clone()
    };
    let initial = name.chars().next().unwrap_or('?').to_uppercase().to_string();
    view! {
        <details class="account">
            <summary class="account-button">
                <span class="account-initial" aria-hidden="true">{initial}</span>
                <span class="hidden">"Account of "</span>
                <span class="account-name">{name.clone()}</span>
            </summary>
            <div class="account-panel">
                <p class="account-who">
                    <strong>{name}</strong>
                    <span class="account-role">{format!("{} · {}", subject.username, subject.role)}</span>
                </p>
                <ThemeForm csrf=request.csrf_token.clone() theme=request.theme next=request.path_and_query />
                <a class="account-item" href="/account/sessions">
                    "Your sessions"
                </a>
                <a class="account-item" href="/account/tokens">
                    "Your API tokens"
                </a>
                <form method="post" action="/sign-out">
                    <input type="hidden" name="csrf" value=request.csrf_token />
                    <button class="account-item" type="submit">
                        "Sign out"
                    </button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

/// Three buttons, one of them pressed.
#[component]
fn ThemeForm(csrf: String, theme: Theme, next: String) -> impl IntoView {
    let choices = [
        (Theme::System, "System"),
        (Theme::Dark, "Dark"),
        (Theme::Light, "Light"),
    ];
    view! {
        <form class="theme-form" method="post" action="/account/theme">
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name="next" value=next />
            <fieldset>
                <legend>"Colours"</legend>
                <div class="segments">
                {choices
                    .map(|(choice, word)| {
                        view! {
                            <button
                                type="submit"
                                name="theme"
                                value=choice.as_str()
                                aria-pressed=(choice == theme).to_string()
                            >
                                {word}
                            </button>
                        }
                    })
                    .collect_view()}
                </div>
            </fieldset>
        </form>
    }
}
