//! The answer to somebody who tries too often.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use quarterdeck_app::ports::Theme;

use super::plain_page::PlainPage;
use crate::services::identity::spoken;

/// 429 with `Retry-After` in whole seconds, and words for the person.
pub fn too_many_attempts(retry_after: Duration, theme: Theme) -> Response {
    let mut response = PlainPage {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many sign-ins",
        text: "You were not signed in: too many sign-ins were tried with this name or from this address. Nothing is \
               wrong with your account, and whoever is signed in stays so; the limit keeps others from guessing \
               passwords."
            .to_owned(),
        advice: format!(
            "Wait {}, then try again. Trying sooner does no harm and does not help, even with the right password.",
            spoken(retry_after)
        ),
        link: ("/sign-in", "Back to signing in"),
        theme,
    }
    .into_response();
    let seconds = retry_after.as_secs_f64().ceil().max(1.0);
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.0}")) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}
