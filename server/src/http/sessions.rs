//! Signing in and out, and ending one's own sessions: forms that work without scripts, and lead on to a page.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use quarterdeck_domain::access::Permission;
use serde::Deserialize;
use uuid::Uuid;

use super::auth::{Asker, AuthState, RequestOrigin, SignedIn, safe_next, sign_in_page};
use super::rate_limit::too_many_attempts;
use super::theme;
use crate::services::identity::{IdentityError, PasswordError};

/// The page of one's own sessions.
const OWN_SESSIONS: &str = "/account/sessions";

/// The form of `POST /sign-in`.
#[derive(Deserialize)]
pub struct SignIn {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /sign-in`: `username`, `password`, `next`, `csrf`. Leads on to `next`, or back with `error=` one of
/// `credentials`, `busy`, `unavailable`, `failed`; 429 when tried too often.
pub async fn sign_in(
    State(state): State<AuthState>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let next = safe_next(&state.public_url, &form.next);
    let back = |error| sign_in_page(next.as_deref(), Some(error)).into_response();
    match state
        .identity
        .sign_in(&form.username, form.password, &origin)
        .await
    {
        Ok((_, tokens)) => {
            let mut response = Redirect::to(next.as_deref().unwrap_or("/")).into_response();
            state.cookies.sign_in(response.headers_mut(), &tokens);
            response
        }
        Err(IdentityError::WrongCredentials) => back("credentials"),
        Err(IdentityError::TooManyAttempts { retry_after }) => {
            too_many_attempts(retry_after, theme::chosen(&headers))
        }
        Err(IdentityError::Password(PasswordError::Busy)) => back("busy"),
        Err(error) if error.is_unavailable() => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a sign-in failed: the database is away"
            );
            back("unavailable")
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a sign-in failed");
            back("failed")
        }
    }
}

/// `POST /sign-out`: ends the session and leads to the sign-in page. The browser forgets it in any case.
pub async fn sign_out(
    State(state): State<AuthState>,
    RequestOrigin(origin): RequestOrigin,
    asker: axum::Extension<Asker>,
) -> Response {
    if let Some(subject) = asker.subject()
        && let Err(error) = state.identity.sign_out(subject, &origin).await
    {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a sign-out could not be recorded"
        );
    }
    let mut response = Redirect::to("/sign-in?notice=signed-out").into_response();
    // Pages that the browser kept are not to be seen by whoever comes next.
    let clear = header::HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert("clear-site-data", clear);
    state.cookies.sign_out(response.headers_mut());
    response
}

/// `POST /account/sessions/{id}/revoke`: ends one of the person's own sessions.
pub async fn revoke(
    State(state): State<AuthState>,
    RequestOrigin(origin): RequestOrigin,
    SignedIn(subject): SignedIn,
    Path(id): Path<Uuid>,
) -> Response {
    let permission = Permission::RevokeOwnSession;
    if state
        .identity
        .authorize(&subject, permission, &id.to_string(), &origin)
        .is_err()
    {
        return own_sessions("error=unavailable");
    }
    match state.identity.revoke_own(&subject, id, &origin).await {
        Ok(()) if Some(id) == subject.session_id() => {
            let mut response = Redirect::to("/sign-in?notice=signed-out").into_response();
            state.cookies.sign_out(response.headers_mut());
            response
        }
        Ok(()) => own_sessions("notice=revoked"),
        Err(IdentityError::NoSuchSession) => own_sessions("error=no-such-session"),
        Err(error) => failed(&error),
    }
}

/// `POST /account/sessions/revoke-others`: ends all of the person's sessions but this one.
pub async fn revoke_others(
    State(state): State<AuthState>,
    RequestOrigin(origin): RequestOrigin,
    SignedIn(subject): SignedIn,
) -> Response {
    let permission = Permission::RevokeOwnSession;
    if state
        .identity
        .authorize(&subject, permission, "others", &origin)
        .is_err()
    {
        return own_sessions("error=unavailable");
    }
    match state.identity.revoke_others(&subject, &origin).await {
        Ok(_) => own_sessions("notice=revoked-others"),
        Err(error) => failed(&error),
    }
}

fn own_sessions(query: &str) -> Response {
    Redirect::to(&format!("{OWN_SESSIONS}?{query}")).into_response()
}

fn failed(error: &IdentityError) -> Response {
    if error.is_unavailable() {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "a session was not ended: the database is away"
        );
        return own_sessions("error=unavailable");
    }
    tracing::error!(error = error as &dyn std::error::Error, "a session was not ended");
    own_sessions("error=failed")
}
