//! The forms of guarded actions: each does one thing, and leads on to the action's page.

use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use quarterdeck_app::{
    error::ConsoleError,
    ports::{GuardedActions, RefusedRequest},
    view::action::{ActionStateView, ActionView},
};
use quarterdeck_domain::{
    access::{Permission, Subject},
    action::{Agreement, Case},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{asked::Asked, auth::SignedIn, pages, plain_page::PlainPage, state::AppState, theme};
use crate::services::{
    actions::{Ask, Say},
    console::AskedConsole,
};

/// The page of the form that asks for an action.
const NEW_ACTION: &str = "/actions/new";

/// The form of `POST /actions`.
#[derive(Deserialize)]
pub struct AskForm {
    #[serde(default)]
    id: String,
    #[serde(default)]
    params: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    typed: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    break_glass: String,
}

/// The form of a vote, of a review, and of everything else that is done to an action.
#[derive(Deserialize)]
pub struct DoForm {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    password: String,
}

fn secret(password: String) -> Option<SecretString> {
    (!password.is_empty()).then(|| SecretString::from(password))
}

pub(super) fn status(error: &ConsoleError) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Says what went wrong. What was typed is still in the form that the browser goes back to.
pub(super) fn failed(error: &ConsoleError, headers: &HeaderMap) -> Response {
    let title = match error {
        ConsoleError::Conflict(_) => "Something has changed",
        ConsoleError::BadRequest(_) => "Something is missing",
        ConsoleError::Refused(_) => "Not allowed",
        ConsoleError::NotFound(_) => "Not found",
        ConsoleError::SignedOut | ConsoleError::Unavailable(_) | ConsoleError::Internal { .. } => {
            "Nothing was done"
        }
    };
    PlainPage {
        status: status(error),
        title,
        text: error.to_string(),
        advice: "Go back with your browser to correct the form, or open the list of actions.".to_owned(),
        link: ("/actions", "Open the actions"),
        theme: theme::chosen(headers),
    }
    .into_response()
}

/// On to the action's page, or what went wrong.
fn answer(done: Result<Case, ConsoleError>, id: &str, headers: &HeaderMap) -> Response {
    match done {
        Ok(_) => Redirect::to(&format!("/actions/{id}")).into_response(),
        Err(error) => failed(&error, headers),
    }
}

/// As [`answer`]. A form that was sent twice, by two clicks say, is answered by its second answer alone: where it has come about
/// what it was for, that leads to the action's page, too.
async fn answer_of_many(
    done: Result<Case, ConsoleError>,
    (console, subject): (&AskedConsole, &Subject),
    id: &str,
    headers: &HeaderMap,
    come_about: impl Fn(&ActionView) -> bool,
) -> Response {
    match done {
        Err(ConsoleError::Conflict(_) | ConsoleError::Refused(_))
            if console
                .action(subject, id)
                .await
                .is_ok_and(|action| come_about(&action)) =>
        {
            Redirect::to(&format!("/actions/{id}")).into_response()
        }
        done => answer(done, id, headers),
    }
}

pub(super) fn unreadable() -> ConsoleError {
    ConsoleError::BadRequest(
        "The form is not one that this console made; nothing was asked for. Open the page again.".to_owned(),
    )
}

/// `POST /actions`: asks for an action, and starts it where nobody has to agree. What can be corrected is answered with the
/// form, as it was filled in but for the password.
pub async fn request(
    State(app): State<AppState>,
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    parts: Parts,
    Form(form): Form<AskForm>,
) -> Response {
    let headers = &parts.headers;
    // Who may not is told so, whatever the form holds.
    if let Err(error) = console.allow(&subject, Permission::RequestAction) {
        return failed(&error, headers);
    }
    let ask = (|| {
        Some(Ask {
            id: form.id.parse().ok()?,
            params: serde_json::from_str(&form.params).ok()?,
            digest: form.digest.parse().ok()?,
            reason: form.reason,
            typed: form.typed,
            password: secret(form.password),
            break_glass: !form.break_glass.is_empty(),
        })
    })();
    let Some(ask) = ask else {
        return failed(&unreadable(), headers);
    };
    let id = ask.id.to_string();
    let mut refused = RefusedRequest {
        params: ask.params.clone(),
        reason: ask.reason.clone(),
        typed: ask.typed.clone(),
        problem: String::new(),
    };
    let error = match console.request_action(&subject, ask).await {
        Ok(_) => return Redirect::to(&format!("/actions/{id}")).into_response(),
        Err(error) => error,
    };
    match &error {
        // It was asked for, and could not be started: the form would ask once more.
        ConsoleError::Conflict(_) if console.action(&subject, &id).await.is_ok() => failed(&error, headers),
        ConsoleError::BadRequest(_) | ConsoleError::Conflict(_) => {
            refused.problem = error.to_string();
            pages::again(&app, parts, Uri::from_static(NEW_ACTION), status(&error), refused).await
        }
        ConsoleError::SignedOut
        | ConsoleError::Refused(_)
        | ConsoleError::NotFound(_)
        | ConsoleError::Unavailable(_)
        | ConsoleError::Internal { .. } => failed(&error, headers),
    }
}

async fn vote(
    (console, subject): (AskedConsole, Subject),
    headers: &HeaderMap,
    id: &str,
    form: DoForm,
    agreement: Agreement,
) -> Response {
    if let Err(error) = console.allow(&subject, Permission::ApproveAction) {
        return failed(&error, headers);
    }
    let Ok(digest) = form.digest.parse() else {
        return failed(&unreadable(), headers);
    };
    let say = Say {
        agreement,
        digest,
        comment: form.comment,
        password: secret(form.password),
    };
    let done = console.vote_on_action(&subject, id, say).await;
    let voted = |action: &ActionView| {
        let mut votes = action.votes.iter();
        votes.any(|vote| {
            vote.name == subject.username
                && vote.approve == (agreement == Agreement::Approve)
                && vote.void.is_none()
        })
    };
    answer_of_many(done, (&console, &subject), id, headers, voted).await
}

/// `POST /actions/{id}/approve`.
pub async fn approve(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<DoForm>,
) -> Response {
    vote((console, subject), &headers, &id, form, Agreement::Approve).await
}

/// `POST /actions/{id}/reject`.
pub async fn reject(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<DoForm>,
) -> Response {
    vote((console, subject), &headers, &id, form, Agreement::Reject).await
}

/// `POST /actions/{id}/start`.
pub async fn start(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let done = console.start_action(&subject, &id).await;
    let started = |action: &ActionView| match action.line.state {
        ActionStateView::Executing
        | ActionStateView::Succeeded
        | ActionStateView::Failed
        | ActionStateView::OutcomeUnknown => true,
        ActionStateView::Requested
        | ActionStateView::Approved
        | ActionStateView::Rejected
        | ActionStateView::Expired
        | ActionStateView::Cancelled => false,
    };
    answer_of_many(done, (&console, &subject), &id, &headers, started).await
}

/// `POST /actions/{id}/cancel`.
pub async fn cancel(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let done = console.cancel_action(&subject, &id).await;
    let cancelled = |action: &ActionView| action.line.state == ActionStateView::Cancelled;
    answer_of_many(done, (&console, &subject), &id, &headers, cancelled).await
}

/// `POST /actions/{id}/review`.
pub async fn review(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<DoForm>,
) -> Response {
    answer(
        console.review_action(&subject, &id, &form.comment).await,
        &id,
        &headers,
    )
}
