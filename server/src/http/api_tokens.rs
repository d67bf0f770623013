//! Making and revoking one's own API tokens: forms that work without scripts, and lead on to the page.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use quarterdeck_app::view::api_token::RefusedToken;
use quarterdeck_domain::access::Permission;
use secrecy::SecretString;
use uuid::Uuid;

use super::asked::Asked;
use super::auth::{AuthState, RequestOrigin, SignedIn};
use super::pages;
use super::state::AppState;
use crate::services::identity::api_tokens::{ApiTokenError, NewToken};
use crate::services::identity::{IdentityError, spoken};

/// The page of one's own API tokens.
pub const OWN_TOKENS: &str = "/account/tokens";

/// `POST /account/tokens`: `id` of the form, `name`, `days`, `scope` once for each thing that it may be used for, `password`, `csrf`.
/// Leads to the page, which shows the token once. What can be corrected is answered with the page, and the form on it as it
/// was filled in but for the password.
pub async fn make(
    State(app): State<AppState>,
    Asked(console): Asked,
    RequestOrigin(origin): RequestOrigin,
    SignedIn(subject): SignedIn,
    parts: Parts,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    if console.allow(&subject, Permission::ManageOwnTokens).is_err() {
        return own_tokens("error=unavailable");
    }
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let given = fields.iter().filter(|(field, _)| field == "scope");
    let given: Vec<String> = given.map(|(_, name)| name.clone()).collect();
    let refused = |(status, problem): (StatusCode, String)| {
        let refused = RefusedToken {
            name: field("name"),
            days: field("days"),
            scopes: given.clone(),
            problem,
        };
        pages::again(&app, parts, Uri::from_static(OWN_TOKENS), status, refused)
    };
    let scopes: Option<Vec<_>> = given.iter().map(|name| Permission::parse(name)).collect();
    let (Ok(id), Some(scopes)) = (field("id").parse(), scopes) else {
        let problem = "No token was made. The form is not one that this console made.".to_owned();
        return refused((StatusCode::BAD_REQUEST, problem)).await;
    };
    let new = NewToken {
        id,
        name: field("name"),
        // What is no number is no number of days.
        days: field("days").parse().unwrap_or(0),
        scopes,
    };
    let password = SecretString::from(field("password"));
    match app.identity.make_token(&subject, &new, &password, &origin).await {
        Ok(made) => {
            let mut response = own_tokens("notice=made");
            app.auth.cookies.new_token(response.headers_mut(), &made.secret);
            response
        }
        Err(ApiTokenError::MadeBefore) => own_tokens("notice=made-before"),
        Err(error) => match to_correct(&error) {
            Some((status, problem)) => refused((status, format!("No token was made. {problem}"))).await,
            None => failed(&error),
        },
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
        Err(error) => failed(&error),
    }
}

fn own_tokens(query: &str) -> Response {
    Redirect::to(&format!("{OWN_TOKENS}?{query}")).into_response()
}

/// What to change, where that helps.
fn to_correct(error: &ApiTokenError) -> Option<(StatusCode, String)> {
    let bad = |text: &str| Some((StatusCode::BAD_REQUEST, text.to_owned()));
    match error {
        ApiTokenError::Name => bad("Its name takes 1 to 60 characters."),
        ApiTokenError::Days { .. } => bad("Choose for how long it is to work."),
        ApiTokenError::NoScope => bad("Choose at least one thing that it may be used for."),
        ApiTokenError::Scope(_) => {
            bad("It can't be given more than you may do yourself, nor what only a person does.")
        }
        ApiTokenError::NoPassword => bad("Your password is needed once more for this."),
        ApiTokenError::Identity(IdentityError::WrongCredentials) => bad("That is not your password."),
        ApiTokenError::Identity(IdentityError::TooManyAttempts { retry_after }) => Some((
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "A wrong password was given too often, here or at signing in. Wait {} and try again.",
                spoken(*retry_after)
            ),
        )),
        ApiTokenError::TooMany => Some((
            StatusCode::CONFLICT,
            "You have as many as anybody can have; revoke one that is no longer needed.".to_owned(),
        )),
        ApiTokenError::MadeBefore | ApiTokenError::Unknown | ApiTokenError::Identity(_) => None,
    }
}

/// Leads on to the page, which says that nothing was changed.
fn failed(error: &ApiTokenError) -> Response {
    own_tokens(match error {
        ApiTokenError::Unknown => "error=no-such-token",
        ApiTokenError::Identity(cause) if cause.is_unavailable() => {
            tracing::warn!(
                error = cause as &dyn std::error::Error,
                "an API token was not made or revoked: the database is away"
            );
            "error=unavailable"
        }
        error => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "an API token was not made or revoked"
            );
            "error=failed"
        }
    })
}
