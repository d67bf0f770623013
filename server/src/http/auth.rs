//! Who is asking: the middleware that reads the cookies, and what handlers take from it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use ipnet::IpNet;
use quarterdeck_domain::access::{Credential, Subject};
use url::Url;

use super::client_address::client_address;
use super::cookies::Cookies;
use super::plain_page::{PlainPage, bounce};
use super::problem::Problem;
use super::request::AskedBy;
use super::theme;
use crate::services::audit::Origin;
use crate::services::identity::api_tokens::TokenAuthentication;
use crate::services::identity::{Authentication, Identity};
use crate::telemetry::trace;

/// What the middlewares and handlers of identity share.
#[derive(Debug, Clone)]
pub struct AuthState {
    /// Knows who is asking.
    pub identity: Arc<Identity>,
    /// The console's address in browsers.
    pub public_url: Arc<Url>,
    /// Reads and writes its cookies.
    pub cookies: Cookies,
    trusted_proxies: Arc<[IpNet]>,
}

impl AuthState {
    /// For a console that browsers reach at `public_url`.
    pub fn new(identity: Arc<Identity>, public_url: Url, trusted_proxies: &[IpNet]) -> Self {
        Self {
            cookies: Cookies::new(public_url.scheme() == "https"),
            identity,
            public_url: Arc::new(public_url),
            trusted_proxies: trusted_proxies.into(),
        }
    }
}

/// Who is asking; an extension of each request that passed [`authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who is signed in.
    Known(Subject),
    /// Nobody.
    Anonymous,
    /// It can't be told: the database is away.
    Unknowable,
    /// A program with an API token that doesn't work.
    TokenRefused,
}

impl Asker {
    /// Who, if it is known.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Known(subject) => Some(subject),
            Self::Anonymous | Self::Unknowable | Self::TokenRefused => None,
        }
    }

    /// Whether an API token says who asks. No page of another site can make a browser send one.
    pub fn is_by_token(&self) -> bool {
        match self {
            Self::Known(subject) => match subject.credential {
                Credential::ApiToken(_) => true,
                Credential::Session(_) => false,
            },
            Self::TokenRefused => true,
            Self::Anonymous | Self::Unknowable => false,
        }
    }
}

/// What binds a form to the browser it was made for; an extension of each request that passed [`authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormBinding(Option<String>);

impl FormBinding {
    /// What the code is made for.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The value of the hidden field `csrf` of forms; empty while there is no signing key, and then no form is taken.
    pub fn code(&self, identity: &Identity) -> String {
        self.text()
            .and_then(|binding| identity.form_code(binding))
            .unwrap_or_default()
    }
}

/// The token of the header `Authorization: Bearer …`, which the REST API takes and nothing else does.
fn bearer(request: &Request) -> Option<&str> {
    if !request.uri().path().starts_with("/api/v1/") {
        return None;
    }
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Lets an API token say who is asking. Cookies that come along are not looked at.
async fn authenticate_token(state: &AuthState, token: &str, mut request: Request, next: Next) -> Response {
    let mut origin = origin(&request, &state.trusted_proxies);
    let asker = match state.identity.authenticate_token(token, &origin).await {
        TokenAuthentication::Known(subject) => Asker::Known(subject),
        TokenAuthentication::Refused => Asker::TokenRefused,
        TokenAuthentication::Unavailable => Asker::Unknowable,
    };
    let subject = asker.subject().cloned();
    origin.api_token = subject.as_ref().and_then(|subject| match &subject.credential {
        Credential::ApiToken(token) => Some(token.label.clone()),
        Credential::Session(_) => None,
    });
    request.extensions_mut().insert(asker);
    request.extensions_mut().insert(FormBinding(None));
    request.extensions_mut().insert(origin);
    let mut response = next.run(request).await;
    if let Some(subject) = subject {
        response.extensions_mut().insert(AskedBy(subject));
    }
    response
}

/// Reads the cookies, renews them if need be, and tells the rest of the request who is asking.
///
/// Puts [`Asker`], [`FormBinding`] and [`Origin`] into the request's extensions. It refuses nobody: see [`SignedIn`].
pub async fn authenticate(State(state): State<AuthState>, mut request: Request, next: Next) -> Response {
    if let Some(token) = bearer(&request).map(str::to_owned) {
        return authenticate_token(&state, &token, request, next).await;
    }
    let sent = state.cookies.read(request.headers());
    let origin = origin(&request, &state.trusted_proxies);
    let answer = state
        .identity
        .authenticate(sent.access.as_deref(), sent.refresh.as_deref(), &origin)
        .await;
    let mut cookies = HeaderMap::new();
    let asker = match answer {
        Authentication::Known { subject, renewed } => {
            if let Some(tokens) = &renewed {
                state.cookies.renew(&mut cookies, tokens);
            }
            Asker::Known(subject)
        }
        Authentication::Anonymous => Asker::Anonymous,
        Authentication::Over => {
            state.cookies.sign_out(&mut cookies);
            Asker::Anonymous
        }
        Authentication::Unavailable => Asker::Unknowable,
    };
    let binding = match (&asker, sent.pre_login) {
        (Asker::Known(subject), _) => subject.session_id().map(|id| format!("session:{id}")),
        (Asker::Anonymous | Asker::Unknowable | Asker::TokenRefused, Some(value)) => {
            Some(format!("pre-login:{value}"))
        }
        (Asker::Anonymous | Asker::Unknowable | Asker::TokenRefused, None)
            if wants_page(request.method(), request.headers()) =>
        {
            let value = state.identity.new_binding();
            state.cookies.pre_login(&mut cookies, &value);
            Some(format!("pre-login:{value}"))
        }
        (Asker::Anonymous | Asker::Unknowable | Asker::TokenRefused, None) => None,
    };
    // The log names who asked.
    let asked_by = asker.subject().cloned().map(AskedBy);
    request.extensions_mut().insert(asker);
    request.extensions_mut().insert(FormBinding(binding));
    request.extensions_mut().insert(origin);
    let mut response = next.run(request).await;
    if let Some(asked_by) = asked_by {
        response.extensions_mut().insert(asked_by);
    }
    // First what was renewed, then what the handler set: a browser takes the last.
    let handlers: Vec<_> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .cloned()
        .collect();
    if !cookies.is_empty() {
        response.headers_mut().remove(header::SET_COOKIE);
        for value in cookies
            .get_all(header::SET_COOKIE)
            .iter()
            .cloned()
            .chain(handlers)
        {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Somebody who is signed in: a handler that takes it is not called for anybody else.
///
/// Others get an answer that fits what they asked for: a page leads to the sign-in page and back, the REST API says 401.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Subject);

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match parts.extensions.get::<Asker>() {
            Some(Asker::Known(subject)) => Ok(Self(subject.clone())),
            Some(Asker::Unknowable) => Err(unknowable(&parts.uri, &parts.headers)),
            Some(Asker::TokenRefused) => Err(token_refused()),
            Some(Asker::Anonymous) | None => Err(anonymous(&parts.method, &parts.uri, &parts.headers)),
        }
    }
}

/// The same for whole routers: lets nobody through who isn't signed in.
pub async fn require_sign_in(_: SignedIn, request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Where a request came from, for handlers; [`authenticate`] has put it there.
#[derive(Debug, Clone)]
pub struct RequestOrigin(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get().cloned().unwrap_or_default()))
    }
}

/// A path of this site to go on to after signing in: nothing that leads elsewhere, and not back to signing in.
pub fn safe_next(public_url: &Url, next: &str) -> Option<String> {
    let plain = next.starts_with('/') && !next.chars().any(|c| c.is_control() || c == '\\');
    if !plain || next.len() > 2000 {
        return None;
    }
    let target = public_url.join(next).ok()?;
    if target.origin() != public_url.origin() || matches!(target.path(), "/sign-in" | "/sign-out") {
        return None;
    }
    let query = target
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let path = format!("{}{query}", target.path());
    // `//host` again, after dots were resolved.
    (!path.starts_with("//")).then_some(path)
}

/// The sign-in page that leads on to `next` and says why one has come there.
pub(super) fn sign_in_page(next: Option<&str>, error: Option<&str>) -> Redirect {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(error) = error {
        query.append_pair("error", error);
    }
    if let Some(next) = next.filter(|next| *next != "/") {
        query.append_pair("next", next);
    }
    let query = query.finish();
    if query.is_empty() {
        Redirect::to("/sign-in")
    } else {
        Redirect::to(&format!("/sign-in?{query}"))
    }
}

fn origin(request: &Request, trusted: &[IpNet]) -> Origin {
    let agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Origin {
        address: client_address(request.extensions(), request.headers(), trusted),
        user_agent: agent.unwrap_or_default().chars().take(300).collect(),
        trace_id: trace::current().map(|context| context.trace_id()),
        api_token: None,
    }
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    (method == Method::GET || method == Method::HEAD) && accept.contains("text/html")
}

fn anonymous(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    if is_api(uri) {
        let detail =
            "Sign in first (the session may have ended), or send an API token as Authorization: Bearer.";
        return Problem::new(StatusCode::UNAUTHORIZED, "Not signed in", detail).into_response();
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if method != Method::GET && method != Method::HEAD {
        return sign_in_page(None, Some("over")).into_response();
    }
    let sent = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Followed a link from elsewhere: the cookies stayed behind, and come along when the page is loaded from here.
    if sent("sec-fetch-site") == Some("cross-site") && sent("sec-fetch-mode") == Some("navigate") {
        return bounce(path);
    }
    sign_in_page(Some(path), None).into_response()
}

fn token_refused() -> Response {
    let detail = "The API token is unknown, expired or revoked, or its owner's account is disabled. Its owner sees which on \
                  the page Your API tokens, and can make another.";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "API token refused", detail).into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static("Bearer realm=\"Quarterdeck\", error=\"invalid_token\""),
    );
    response
}

fn unknowable(uri: &Uri, headers: &HeaderMap) -> Response {
    const TITLE: &str = "Sessions can't be checked";
    const TEXT: &str = "The console can't reach its own database, so it can't tell who is asking. People whose session \
         it had checked shortly before can go on looking.";
    const ADVICE: &str = "Try again in a minute; if it lasts, look at the console's PostgreSQL.";
    let mut response = if is_api(uri) {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, TITLE, format!("{TEXT} {ADVICE}")).into_response()
    } else {
        PlainPage {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: TITLE,
            text: TEXT.to_owned(),
            advice: ADVICE.to_owned(),
            link: ("/", "Try again"),
            theme: theme::chosen(headers),
        }
        .into_response()
    };
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("10"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_leads_nowhere_else() {
        let site = Url::parse("https://deck.example.org").unwrap();
        let next = |text: &str| safe_next(&site, text);
        assert_eq!(
            next("/health/api_latency_p99?range=1h"),
            Some("/health/api_latency_p99?range=1h".into())
        );
        assert_eq!(next("/"), Some("/".into()));
        for wrong in [
            "",
            "https://evil.example.org/",
            "//evil.example.org/",
            "/\\evil.example.org",
            "/\t/evil.example.org",
            "/..//evil.example.org",
            "javascript:alert(1)",
            "health",
            "/sign-in",
            "/x/../sign-in?next=/",
            "/sign-out",
        ] {
            assert_eq!(next(wrong), None, "{wrong:?}");
        }
    }
}
