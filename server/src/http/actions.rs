//! The forms of guarded actions: each does one thing, and leads on to the action's page.

use axum::{
    Form,
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{
    access::Permission,
    action::{Agreement, Case},
};
use secrecy::SecretString;
use serde::Deserialize;

use super::{asked::Asked, auth::SignedIn, plain_page::PlainPage, theme};
use crate::services::actions::{Ask, Say};

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

/// Says what went wrong. What was typed is still in the form that the browser goes back to.
fn failed(error: &ConsoleError, headers: &HeaderMap) -> Response {
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
        status: StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
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

fn unreadable() -> ConsoleError {
    ConsoleError::BadRequest(
        "The form is not one that this console made; nothing was asked for. Open the page again.".to_owned(),
    )
}

/// `POST /actions`: asks for an action, and starts it where nobody has to agree.
pub async fn request(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<AskForm>,
) -> Response {
    // Who may not is told so, whatever the form holds.
    if let Err(error) = console.allow(&subject, Permission::RequestAction) {
        return failed(&error, &headers);
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
        return failed(&unreadable(), &headers);
    };
    let id = ask.id.to_string();
    answer(console.request_action(&subject, ask).await, &id, &headers)
}

async fn vote(
    (console, subject): (
        crate::services::console::AskedConsole,
        quarterdeck_domain::access::Subject,
    ),
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
    answer(console.vote_on_action(&subject, id, say).await, id, headers)
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
    answer(console.start_action(&subject, &id).await, &id, &headers)
}

/// `POST /actions/{id}/cancel`.
pub async fn cancel(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    answer(console.cancel_action(&subject, &id).await, &id, &headers)
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
