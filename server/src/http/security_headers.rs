//! Headers that every answer carries, unless it says something else itself.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// The policy of whatever is not a page of the application: nothing may be loaded, framed or sent from it. Pages bring
/// their own policy with a nonce.
const DEFAULT_CSP: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, DEFAULT_CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Whether browsers reach the site over TLS; the middleware's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Https(pub bool);

/// Adds the headers; for [`axum::middleware::from_fn_with_state`], outermost.
pub async fn security_headers(State(Https(https)): State<Https>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add(response.headers_mut(), https);
    response
}

fn add(headers: &mut HeaderMap, https: bool) {
    for (name, value) in ALWAYS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if https && !headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
        let two_years = HeaderValue::from_static("max-age=63072000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, two_years);
    }
    if !headers.contains_key(header::CACHE_CONTROL) && is_personal(headers) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Pages, data and whatever sets cookies: none of it is for a cache. Static files say how long they may be kept.
fn is_personal(headers: &HeaderMap) -> bool {
    let data = |value: &HeaderValue| {
        value.to_str().is_ok_and(|kind| {
            kind.starts_with("text/html") || kind.contains("json") || kind.starts_with("text/event-stream")
        })
    };
    headers.contains_key(header::SET_COOKIE)
        || headers.contains_key(header::LOCATION)
        || headers.get(header::CONTENT_TYPE).is_some_and(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_what_is_missing_and_keeps_what_is_there() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/html; charset=utf-8".parse().unwrap());
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            "script-src 'nonce-x'".parse().unwrap(),
        );
        add(&mut headers, true);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "script-src 'nonce-x'");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], "max-age=63072000");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    }

    #[test]
    fn files_stay_cacheable_and_http_gets_no_hsts() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/css".parse().unwrap());
        add(&mut headers, false);
        assert!(!headers.contains_key(header::CACHE_CONTROL));
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], DEFAULT_CSP);
    }
}
