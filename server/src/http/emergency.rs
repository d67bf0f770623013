//! The form of the page `/emergency`.

use axum::{
    Form,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use quarterdeck_domain::access::Permission;
use serde::Deserialize;

use super::{
    actions::{failed, unreadable},
    asked::Asked,
    auth::SignedIn,
};
use crate::services::actions::EmergencyAsk;

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

/// `POST /emergency`: begins an action without the console's database, and leads back to the page, which shows it.
pub async fn begin(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    headers: HeaderMap,
    Form(form): Form<EmergencyForm>,
) -> Response {
    // Who may not is told so, whatever the form holds.
    if let Err(error) = console.allow(&subject, Permission::BreakGlassWithoutDatabase) {
        return failed(&error, &headers);
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
        return failed(&unreadable(), &headers);
    };
    match console.begin_emergency(&subject, ask).await {
        Ok(()) => Redirect::to("/emergency").into_response(),
        Err(error) => failed(&error, &headers),
    }
}
