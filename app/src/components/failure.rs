//! What stands in a page's place when it cannot be shown: what happened, what it means, what to do.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::{
    error::ConsoleError,
    ports::{ConsoleHandle, RequestContext},
};

/// Sets the status of the answer. In the browser there is no answer to set.
fn set_status(status: u16) {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(status) = http::StatusCode::from_u16(status)
    {
        response.set_status(status);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = status;
}

/// An error in a page's place, with its HTTP status and the trace id that finds it in the log.
#[component]
pub fn Failure(
    /// What went wrong.
    error: ConsoleError,
) -> impl IntoView {
    set_status(error.status());
    let trace_id = use_context::<RequestContext>()
        .map(|r| r.trace_id)
        .unwrap_or_default();
    let (title, advice) = match &error {
        ConsoleError::SignedOut => (
            "You are signed out",
            "Sign in, and you are brought back to this page.",
        ),
        ConsoleError::Refused(_) => (
            "You may not see this",
            "Your account menu says which role you have; an administrator can change it.",
        ),
        ConsoleError::NotFound(_) => (
            "Not found",
            "The address may be old or mistyped. These pages are there:",
        ),
        ConsoleError::BadRequest(_) => ("This request makes no sense", "Go back and choose other values."),
        ConsoleError::Conflict(_) => (
            "Something has changed meanwhile",
            "Open the page again: it shows how things are now.",
        ),
        ConsoleError::Unavailable(_) => (
            "Not available now",
            "The rest of the console goes on without it. Reload this page in a moment; the sources on the overview \
             say what is down.",
        ),
        ConsoleError::Internal { .. } => (
            "The console failed",
            "Reload the page. If it fails again, give the trace id to whoever runs the console.",
        ),
    };
    let sign_in = matches!(error, ConsoleError::SignedOut);
    let index = matches!(error, ConsoleError::NotFound(_)).then(metric_links);
    view! {
        <Title text=title />
        <div class="failure">
            <p class="failure-status">{error.status()}</p>
            <h1>{title}</h1>
            <p class="failure-what">{error.to_string()}</p>
            <p>{advice}</p>
            {index}
            <p class="failure-ways">
                {sign_in.then(|| view! { <a class="button" href="/sign-in">"Sign in"</a> })}
                <a class="button" href="/">"Overview"</a>
            </p>
            {(!trace_id.is_empty()).then(|| view! { <p class="failure-trace">"Trace id " <code>{trace_id}</code></p> })}
        </div>
    }
}

/// Links to every metric, for somebody who lost their way; nothing for somebody who is signed out.
fn metric_links() -> Option<impl IntoView> {
    use_context::<RequestContext>()?.subject?;
    let metrics = use_context::<ConsoleHandle>()?.metric_index();
    Some(view! {
        <ul class="failure-index">
            {metrics
                .into_iter()
                .map(|(id, title)| view! { <li><a href=format!("/health/{id}")>{title}</a></li> })
                .collect_view()}
        </ul>
    })
}
