//! The form of the page `/emergency`.

use axum::{
    Form,
    extract::State,
    http::{Uri, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use quarterdeck_app::{error::ConsoleError, ports::RefusedRequest};
use quarterdeck_domain::access::Permission;
use serde::Deserialize;

use super::{
    actions::{failed, status, unreadable},
    asked::Asked,
    auth::SignedIn,
    pages,
    state::AppState,
};
use crate::services::actions::EmergencyAsk;

/// The page.
const EMERGENCY: &str = "/emergency";

/// The form of `POST /emergency`.
#[derive(Deserialize)]
pub struct EmergencyForm {
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
}

/// `POST /emergency`: begins an action without the console's database, and leads back to the page, which shows it. What can be
/// corrected is answered with the page, and the form on it as it was filled in.
pub async fn begin(
    State(app): State<AppState>,
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    parts: Parts,
    Form(form): Form<EmergencyForm>,
) -> Response {
    let headers = &parts.headers;
    // Who may not is told so, whatever the form holds.
    if let Err(error) = console.allow(&subject, Permission::BreakGlassWithoutDatabase) {
        return failed(&error, headers);
    }
    let ask = (|| {
        Some(EmergencyAsk {
            id: form.id.parse().ok()?,
            params: serde_json::from_str(&form.params).ok()?,
            digest: form.digest.parse().ok()?,
            reason: form.reason,
            typed: form.typed,
        })
    })();
    let Some(ask) = ask else {
        return failed(&unreadable(), headers);
    };
    let mut refused = RefusedRequest {
        params: ask.params.clone(),
        reason: ask.reason.clone(),
        typed: ask.typed.clone(),
        problem: String::new(),
    };
    match console.begin_emergency(&subject, ask).await {
        Ok(()) => Redirect::to(EMERGENCY).into_response(),
        Err(error @ (ConsoleError::BadRequest(_) | ConsoleError::Conflict(_))) => {
            refused.problem = error.to_string();
            pages::again(&app, parts, Uri::from_static(EMERGENCY), status(&error), refused).await
        }
        Err(error) => failed(&error, headers),
    }
}
