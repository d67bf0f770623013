//! Making and revoking one's own API tokens: forms that work without scripts, and lead on to the page.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use quarterdeck_domain::access::Permission;
use uuid::Uuid;

use super::asked::Asked;
use super::auth::{AuthState, RequestOrigin, SignedIn};
use crate::services::identity::api_tokens::{ApiTokenError, NewToken};

/// The page of one's own API tokens.
pub const OWN_TOKENS: &str = "/account/tokens";

/// `POST /account/tokens`: `name`, `days`, `scope` once for each thing that it may be used for, `csrf`. Leads to the page,
/// which shows the token once, or says with `error=` what to change.
pub async fn make(
    State(state): State<AuthState>,
    Asked(console): Asked,
    RequestOrigin(origin): RequestOrigin,
    SignedIn(subject): SignedIn,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    if console.allow(&subject, Permission::ManageOwnTokens).is_err() {
        return own_tokens("error=unavailable");
    }
    let field = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    };
    let mut scopes = Vec::new();
    for (_, name) in fields.iter().filter(|(field, _)| field == "scope") {
        match Permission::parse(name) {
            Some(scope) => scopes.push(scope),
            None => return own_tokens("error=scope"),
        }
    }
    let new = NewToken {
        name: field("name").unwrap_or_default().to_owned(),
        // What is no number is no number of days.
        days: field("days").and_then(|days| days.parse().ok()).unwrap_or(0),
        scopes,
    };
    match state.identity.make_token(&subject, &new, &origin).await {
        Ok(made) => {
            let mut response = own_tokens("notice=made");
            state.cookies.new_token(response.headers_mut(), &made.secret);
            response
        }
        Err(error) => refused(&error),
    }
}

/// `POST /account/tokens/{id}/revoke`: revokes one of the person's own tokens.
pub async fn revoke(
    State(state): State<AuthState>,
    Asked(console): Asked,
    RequestOrigin(origin): RequestOrigin,
    SignedIn(subject): SignedIn,
    Path(id): Path<Uuid>,
) -> Response {
    if console.allow(&subject, Permission::ManageOwnTokens).is_err() {
        return own_tokens("error=unavailable");
    }
    match state.identity.revoke_token(&subject, id, &origin).await {
        Ok(()) => own_tokens("notice=revoked"),
        Err(error) => refused(&error),
    }
}

fn own_tokens(query: &str) -> Response {
    Redirect::to(&format!("{OWN_TOKENS}?{query}")).into_response()
}

fn refused(error: &ApiTokenError) -> Response {
    own_tokens(match error {
        ApiTokenError::Name => "error=name",
        ApiTokenError::Days { .. } => "error=days",
        ApiTokenError::NoScope => "error=no-scope",
        ApiTokenError::Scope(_) => "error=scope",
        ApiTokenError::TooMany => "error=too-many",
        ApiTokenError::Unknown => "error=no-such-token",
        ApiTokenError::Identity(cause) if cause.is_unavailable() => {
            tracing::warn!(
                error = cause as &dyn std::error::Error,
                "an API token was not made or revoked: the database is away"
            );
            "error=unavailable"
        }
        ApiTokenError::Identity(cause) => {
            tracing::error!(
                error = cause as &dyn std::error::Error,
                "an API token was not made or revoked"
            );
            "error=failed"
        }
    })
}
