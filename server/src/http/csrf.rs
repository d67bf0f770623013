//! Nothing is changed by a request that another site made a browser send.
//!
//! Two defences, neither of which needs a script. The browser says where a request comes from (`Sec-Fetch-Site`, or
//! `Origin` in old browsers), and it has to be here. And a form carries a code that only the console can make, bound to
//! the session (or, before there is one, to a cookie): a page of another site can't know it.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quarterdeck_domain::audit::{Action, Detail, Object, Outcome};
use url::Url;

use super::auth::{Asker, AuthState, FormBinding, safe_next, sign_in_page};
use super::plain_page::PlainPage;
use super::problem::Problem;
use super::theme;
use crate::services::audit::Origin;
use crate::services::identity::actor;

/// The hidden field of forms.
pub const FIELD: &str = "csrf";

/// The header that scripts send the code in.
pub const HEADER: &str = "x-quarterdeck-csrf";

/// The most bytes of a form that are looked at.
const FORM_LIMIT: usize = 64 * 1024;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    /// From a page of this console, from the address bar, or from a program that isn't a browser.
    Here,
    /// From a page of another site.
    Elsewhere,
}

/// Refuses what another site made the browser send; for [`axum::middleware::from_fn_with_state`], inside of
/// [`authenticate`](super::auth::authenticate).
pub async fn refuse_cross_site(State(state): State<AuthState>, request: Request, next: Next) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    ) {
        return next.run(request).await;
    }
    // A browser adds no API token by itself, and where there is one cookies are not looked at.
    if request
        .extensions()
        .get::<Asker>()
        .is_some_and(Asker::is_by_token)
    {
        return next.run(request).await;
    }
    if site(request.headers(), &state.public_url) == Site::Elsewhere {
        return refuse(&state, &request.into_parts().0, "another_site").await;
    }
    if !could_be_a_form(request.headers()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, FORM_LIMIT).await else {
        return too_large(&parts.headers);
    };
    let code = parts
        .headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok().map(str::to_owned))
        .or_else(|| field(&parts.headers, &body, FIELD));
    let binding = parts.extensions.get::<FormBinding>().and_then(FormBinding::text);
    let fits = match (binding, &code) {
        (Some(binding), Some(code)) => state.identity.is_form_code(binding, code),
        (None, _) | (_, None) => false,
    };
    let path = parts.uri.path().to_owned();
    let next_page = field(&parts.headers, &body, "next").and_then(|text| safe_next(&state.public_url, &text));
    let request = Request::from_parts(parts, Body::from(body));
    if fits {
        return next.run(request).await;
    }
    if path == "/sign-in" {
        // The page lay open for too long, or the browser refused its cookie.
        return sign_in_page(next_page.as_deref(), Some("stale")).into_response();
    }
    refuse(&state, &request.into_parts().0, "form_code").await
}

fn site(headers: &HeaderMap, public_url: &Url) -> Site {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return Site::Here,
        Some(_) => return Site::Elsewhere,
        None => {}
    }
    // Neither header: not a browser of the last years, so nobody's cookies are being abused.
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return Site::Here;
    };
    let Ok(origin) = Url::parse(origin) else {
        return Site::Elsewhere;
    };
    let host = text(header::HOST.as_str())
        .and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    if origin.origin() == public_url.origin() || host.is_some_and(|host| host.origin() == origin.origin()) {
        Site::Here
    } else {
        Site::Elsewhere
    }
}

/// Whether a page of any site could make a browser send this without asking first. Other kinds of content need the
/// console's permission beforehand, which it never gives.
fn could_be_a_form(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    };
    let kind = kind
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ]
    .iter()
    .any(|simple| kind.eq_ignore_ascii_case(simple))
}

fn field(headers: &HeaderMap, body: &Bytes, name: &str) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind
        .to_ascii_lowercase()
        .starts_with("application/x-www-form-urlencoded")
    {
        return None;
    }
    let mut fields = url::form_urlencoded::parse(body);
    fields.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

async fn refuse(state: &AuthState, request: &Parts, reason: &str) -> Response {
    let path = request.uri.path();
    tracing::warn!(
        path,
        reason,
        "a request was refused because it may not come from the console's own pages"
    );
    // Only where somebody's session could have been abused: others could fill the log with it.
    if let Some(subject) = request.extensions.get::<Asker>().and_then(Asker::subject) {
        let origin = request.extensions.get::<Origin>().cloned().unwrap_or_default();
        let event = state.identity.events().event(
            &origin,
            actor(subject),
            Action::AccessRefused,
            Object::new("request", path),
            Outcome::Refused,
            Detail::none().with("reason", reason),
        );
        if let Err(error) = state.identity.recorder().record(&event).await {
            tracing::error!(%error, "a refusal could not be recorded");
        }
    }
    const TITLE: &str = "Not sent from this console";
    const TEXT: &str = "Nothing was changed. The form was out of date, or it was sent by another site.";
    const ADVICE: &str = "Open the page again and send it from there.";
    if path.starts_with("/api/") {
        return Problem::new(StatusCode::FORBIDDEN, TITLE, format!("{TEXT} {ADVICE}")).into_response();
    }
    PlainPage {
        status: StatusCode::FORBIDDEN,
        title: TITLE,
        text: TEXT.to_owned(),
        advice: ADVICE.to_owned(),
        link: ("/", "Open the console"),
        theme: theme::chosen(&request.headers),
    }
    .into_response()
}

fn too_large(headers: &HeaderMap) -> Response {
    PlainPage {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        title: "Too much was sent",
        text: format!("Nothing was changed: a form may hold at most {FORM_LIMIT} bytes."),
        advice: "Open the page again and send less.".to_owned(),
        link: ("/", "Open the console"),
        theme: theme::chosen(headers),
    }
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn browsers_say_where_a_request_comes_from() {
        let public = Url::parse("https://deck.example.org").unwrap();
        let cases = [
            (vec![("sec-fetch-site", "same-origin")], Site::Here),
            (vec![("sec-fetch-site", "none")], Site::Here),
            (vec![("sec-fetch-site", "same-site")], Site::Elsewhere),
            (vec![("sec-fetch-site", "cross-site")], Site::Elsewhere),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://deck.example.org"),
                ],
                Site::Elsewhere,
            ),
            (vec![], Site::Here),
            (vec![("origin", "https://deck.example.org")], Site::Here),
            (vec![("origin", "http://deck.example.org")], Site::Elsewhere),
            (
                vec![
                    ("origin", "https://evil.example.org"),
                    ("host", "deck.example.org"),
                ],
                Site::Elsewhere,
            ),
            (
                vec![("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000")],
                Site::Here,
            ),
            (
                vec![("origin", "http://127.0.0.1:4000"), ("host", "127.0.0.1:3000")],
                Site::Elsewhere,
            ),
            (
                vec![("origin", "null"), ("host", "deck.example.org")],
                Site::Elsewhere,
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(site(&headers(&pairs), &public), expected, "{pairs:?}");
        }
    }

    #[test]
    fn simple_content_needs_a_code() {
        let form = |kind: &str| could_be_a_form(&headers(&[("content-type", kind)]));
        assert!(form("application/x-www-form-urlencoded"));
        assert!(form("Application/X-WWW-Form-Urlencoded; charset=utf-8"));
        assert!(form("multipart/form-data; boundary=x"));
        assert!(form("text/plain"));
        assert!(!form("application/json"));
        assert!(could_be_a_form(&headers(&[("content-length", "5")])));
        assert!(!could_be_a_form(&headers(&[("content-length", "0")])));
    }
}
