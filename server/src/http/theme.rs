//! `POST /account/theme`: the choice of colours, kept in a cookie. It holds nothing of value, so it needs no session.

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use quarterdeck_app::ports::Theme;
use serde::Deserialize;

use super::{auth::safe_next, state::AppState};

const COOKIE: &str = "qd_theme";

/// The choice that a browser keeps.
#[must_use]
pub fn chosen(headers: &HeaderMap) -> Theme {
    CookieJar::from_headers(headers)
        .get(COOKIE)
        .map_or(Theme::System, |cookie| Theme::parse(cookie.value()))
}

/// The form.
#[derive(Debug, Deserialize)]
pub struct ThemeForm {
    theme: String,
    #[serde(default)]
    next: String,
}

/// Keeps the choice for a year and leads back.
pub async fn choose(State(app): State<AppState>, Form(form): Form<ThemeForm>) -> Response {
    let theme = Theme::parse(&form.theme);
    let next = safe_next(&app.config.server.public_url, &form.next).unwrap_or_else(|| "/".to_owned());
    let secure = if app.config.server.is_https() {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly{secure}",
        theme.as_str()
    );
    let mut response = Redirect::to(&next).into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
