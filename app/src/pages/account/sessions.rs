//! `/account/sessions`: where one is signed in, and how to end it.

use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

use crate::{
    components::{failure::Failure, moment::Time, page::Page},
    error::ConsoleError,
    pages::{Signed, signed},
    view::account::SessionView,
};

/// What became of the last form: kind and text.
fn message(query: &ParamsMap) -> Option<(&'static str, &'static str)> {
    match (query.get("error").as_deref(), query.get("notice").as_deref()) {
        (Some("no-such-session"), _) => Some(("error", "That session is not open any more.")),
        (Some("unavailable"), _) => Some((
            "error",
            "The session was NOT ended: the console can't reach its database. Try again in a moment.",
        )),
        (Some(_), _) => Some((
            "error",
            "The session was NOT ended. Try again; the server log says why it failed.",
        )),
        (None, Some("revoked")) => Some(("notice", "The session was ended.")),
        (None, Some("revoked-others")) => Some(("notice", "All other sessions were ended.")),
        (None, Some(_) | None) => None,
    }
}

/// The sessions of the person who asks.
#[component]
pub fn SessionsPage() -> impl IntoView {
    let signed = signed();
    let message = message(&use_query_map().get_untracked());
    view! {
        <Page title="Your sessions" name="sessions">
            {message
                .map(|(kind, text)| {
                    view! {
                        <p class="message" data-kind=kind role=if kind == "error" { "alert" } else { "status" }>
                            {text}
                        </p>
                    }
                })}
            {Suspend::new(async move {
                match load(signed).await {
                    Ok((csrf, sessions)) => view! { <Sessions csrf sessions /> }.into_any(),
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Page>
    }
}

async fn load(signed: Result<Signed, ConsoleError>) -> Result<(String, Vec<SessionView>), ConsoleError> {
    let Signed {
        console,
        request,
        subject,
    } = signed?;
    let sessions = console.sessions(&subject).await?;
    Ok((request.csrf_token, sessions))
}

#[component]
fn Sessions(csrf: String, sessions: Vec<SessionView>) -> impl IntoView {
    let others = sessions.iter().any(|s| !s.current);
    let rows = sessions
        .into_iter()
        .map(|s| {
            let action = format!("/account/sessions/{}/revoke", s.id);
            let name = device(&s.user_agent);
            view! {
                <tr>
                    <th scope="row">
                        {name.clone()} {s.current.then(|| view! { <span class="tag">"this one"</span> })}
                        <span class="sessions-agent">{s.user_agent}</span>
                    </th>
                    <td>{s.address}</td>
                    <td><Time at_ms=s.created_at_ms /></td>
                    <td><Time at_ms=s.last_seen_at_ms /></td>
                    <td>
                        <form method="post" action=action>
                            <input type="hidden" name="csrf" value=csrf.clone() />
                            <button
                                class="button"
                                type="submit"
                                aria-label=format!("End the session of {name}, {}", if s.current { "this one" } else { "another one" })
                            >
                                "End"
                            </button>
                        </form>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <h1>"Your sessions"</h1>
        <p class="lead">
            "Every browser in which you are signed in. Ending a session takes effect at once; if you don't know one of them, \
             end it and have your password changed."
        </p>
        <div class="table-frame" role="group" aria-label="Sessions" tabindex="0">
            <table class="table">
                <caption class="hidden">"Sessions, the newest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Browser"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Signed in"</th>
                        <th scope="col">"Last seen"</th>
                        <th scope="col"><span class="hidden">"End"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {if others {
            view! {
                <form method="post" action="/account/sessions/revoke-others">
                    <input type="hidden" name="csrf" value=csrf />
                    <button class="button" type="submit">
                        "End all other sessions"
                    </button>
                </form>
            }
                .into_any()
        } else {
            view! { <p class="note">"You are signed in nowhere else."</p> }.into_any()
        }}
    }
}

/// Browser and system out of a user agent, for a person to tell sessions apart; the full text stands beside it.
fn device(user_agent: &str) -> String {
    // The order matters: every browser also calls itself by the names of those it descends from.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome on Linux");
        assert_eq!(device(&format!("{chrome} Edg/140.0")), "Edge on Linux");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device(""), "Unknown browser");
    }
}
