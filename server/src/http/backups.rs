//! The forms of backups: each does one thing, and leads on to where that is seen.

use axum::{
    Form,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{access::Permission, backup::Method};
use serde::Deserialize;

use super::{asked::Asked, auth::SignedIn, plain_page::PlainPage, theme};
use crate::services::backups::drills::DrillOf;

/// The form of all of them; each reads what it needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BackupForm {
    /// What is to be made: the method's key.
    method: String,
    /// The run that is to end.
    run: String,
    /// The drill that is to end.
    drill: String,
    /// The copy, by its name in the store.
    name: String,
    /// Why a copy is to be kept.
    reason: String,
    /// `pin` or `unpin`.
    act: String,
}

/// The page of a copy.
fn copy_page(name: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("name", name)
        .finish();
    format!("/backups/copies?{query}")
}

fn answer(done: Result<String, ConsoleError>, headers: &HeaderMap) -> Response {
    let error = match done {
        Ok(path) => return Redirect::to(&path).into_response(),
        Err(error) => error,
    };
    let title = match &error {
        ConsoleError::Refused(_) => "Not allowed",
        ConsoleError::NotFound(_) => "Not found",
        ConsoleError::BadRequest(_) => "Something is missing",
        ConsoleError::Conflict(_) => "Something has changed",
        ConsoleError::SignedOut | ConsoleError::Unavailable(_) | ConsoleError::Internal { .. } => {
            "Nothing was done"
        }
    };
    PlainPage {
        status: StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        title,
        text: error.to_string(),
        advice: "Go back with your browser, or open the page of backups: it shows how things are now."
            .to_owned(),
        link: ("/backups", "Open the backups"),
        theme: theme::chosen(headers),
    }
    .into_response()
}

/// `POST /backups/run`: has a backup of `method` made now, and leads to its run.
pub async fn run(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BackupForm>,
) -> Response {
    let done = async {
        // Who may not is told so, whatever the form holds.
        console.allow(&subject, Permission::RunBackups)?;
        let method = Method::from_key(&form.method).ok_or_else(|| {
            ConsoleError::BadRequest("Nothing was done: the form names no method.".to_owned())
        })?;
        let id = console.begin_backup(&subject, method).await?;
        Ok(format!("/backups/runs/{id}"))
    };
    answer(done.await, &headers)
}

/// `POST /backups/cancel`: wants `run` or `drill` ended.
pub async fn cancel(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BackupForm>,
) -> Response {
    let done = async {
        if form.drill.is_empty() {
            console.cancel_backup(&subject, &form.run).await?;
            Ok(format!("/backups/runs/{}", form.run))
        } else {
            console.cancel_drill(&subject, &form.drill).await?;
            Ok("/backups#drills".to_owned())
        }
    };
    answer(done.await, &headers)
}

/// `POST /backups/verify`: has the copy `name` read again, and leads to its page.
pub async fn verify(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BackupForm>,
) -> Response {
    let done = console
        .verify_backup(&subject, &form.name)
        .map(|()| copy_page(&form.name));
    answer(done, &headers)
}

/// `POST /backups/drill`: restores the dump `name`, or the newest backup of `method`, to see whether that works.
pub async fn drill(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BackupForm>,
) -> Response {
    let of = match (Method::from_key(&form.method), form.name.as_str()) {
        (Some(Method::Base), _) => DrillOf::Base(None),
        (_, "") => DrillOf::NewestDump,
        (_, name) => DrillOf::Dump(name.to_owned()),
    };
    let done = console.begin_drill(&subject, &of).await;
    answer(done.map(|_| "/backups#drills".to_owned()), &headers)
}

/// `POST /backups/pin`: pins the copy `name` for a `reason`, or lets it go, and leads to its page.
pub async fn pin(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BackupForm>,
) -> Response {
    let reason = (form.act != "unpin").then_some(form.reason.as_str());
    let done = console.pin_backup(&subject, &form.name, reason).await;
    answer(done.map(|()| copy_page(&form.name)), &headers)
}
