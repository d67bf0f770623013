//! The answer to somebody who tries too often.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::plain_page::PlainPage;
use crate::services::identity::IdentityError;

/// 429 with `Retry-After` in whole seconds, and words for the person.
pub fn too_many_attempts(retry_after: Duration) -> Response {
    let mut response = PlainPage {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many sign-ins",
        text: format!(
            "Signing in was refused: {}. Nothing is wrong with your account; the limit keeps others from guessing \
             its password.",
            IdentityError::TooManyAttempts { retry_after }
        ),
        link: ("/sign-in", "Back to signing in"),
    }
    .into_response();
    let seconds = retry_after.as_secs_f64().ceil().max(1.0);
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.0}")) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}
