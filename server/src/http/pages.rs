//! Pages: what each request brings into the Leptos context, and the content security policy with its nonce.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::{expect_context, provide_context, use_context};
use quarterdeck_app::{
    ports::{ConsoleHandle, RequestContext},
    shell::shell,
};

use super::{
    asked::Asked,
    auth::{Asker, FormBinding, SignedIn},
    state::AppState,
    theme,
};
use crate::telemetry::trace;

/// The sign-in page: the only one that is shown to everybody.
pub const SIGN_IN: &str = "/sign-in";

/// Lets nobody see a page who is not signed in, except the sign-in page; and leads those who are away from that one.
pub async fn gate(State(_): State<AppState>, request: Request, next: Next) -> Response {
    let known = request
        .extensions()
        .get::<Asker>()
        .is_some_and(|asker| asker.subject().is_some());
    match (request.uri().path() == SIGN_IN, known) {
        (true, true) => Redirect::to("/").into_response(),
        (true, false) | (false, true) => next.run(request).await,
        (false, false) => {
            let (mut parts, _) = request.into_parts();
            match SignedIn::from_request_parts(&mut parts, &()).await {
                Err(refusal) => refusal,
                Ok(_) => Redirect::to(SIGN_IN).into_response(),
            }
        }
    }
}

/// The API token that was just made, for the page that shows it, and for no later load of it.
fn shown_once(app: &AppState, parts: &Parts) -> Option<String> {
    if parts.uri.path() != super::api_tokens::OWN_TOKENS {
        return None;
    }
    let cookies = app.auth.cookies;
    let token = cookies.read(&parts.headers).new_token?;
    let mut forget = http::HeaderMap::new();
    cookies.forget_new_token(&mut forget);
    let response = expect_context::<leptos_axum::ResponseOptions>();
    for value in forget.get_all(header::SET_COOKIE) {
        response.append_header(header::SET_COOKIE, value.clone());
    }
    Some(token)
}

/// Puts into the context what pages need of the request, and sends the policy that lets their scripts run.
pub fn provide(app: &AppState) {
    // Absent while the list of routes is made at start.
    let Some(parts) = use_context::<Parts>() else {
        return;
    };
    let Asked(console) = Asked::by(app, &parts);
    let console: ConsoleHandle = Arc::new(console);
    provide_context(console);
    let new_token = shown_once(app, &parts);
    let subject = parts.extensions.get::<Asker>().and_then(Asker::subject).cloned();
    let csrf_token = parts
        .extensions
        .get::<FormBinding>()
        .map(|b| b.code(&app.identity))
        .unwrap_or_default();
    provide_context(RequestContext {
        display_name: subject
            .as_ref()
            .map(|s| s.display_name.clone())
            .unwrap_or_default(),
        subject,
        new_token,
        csrf_token,
        theme: theme::chosen(&parts.headers),
        path_and_query: parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned()),
        trace_id: trace::current().map_or_else(String::new, |t| t.trace_id()),
        demo: app.config.server.demo,
        stylesheet: app.stylesheet.to_string(),
    });
    if let Some(nonce) = leptos::nonce::use_nonce() {
        let policy = format!(
            "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
             img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        if let Ok(value) = HeaderValue::from_str(&policy) {
            expect_context::<leptos_axum::ResponseOptions>()
                .insert_header(header::CONTENT_SECURITY_POLICY, value);
        }
    }
}

/// Answers a form that was refused with the page at `path`, which finds `refused` in its context: what was typed is in it
/// again. `parts` are those of the form's request.
pub async fn again<T>(app: &AppState, mut parts: Parts, path: Uri, status: StatusCode, refused: T) -> Response
where
    T: Clone + Send + Sync + 'static,
{
    parts.method = Method::GET;
    parts.uri = path;
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        parts.headers.remove(name);
    }
    let context = {
        let app = app.clone();
        move || {
            provide(&app);
            provide_context(refused.clone());
        }
    };
    let options = app.leptos.clone();
    let page = leptos_axum::render_app_async_with_context(context, move || shell(options.clone()));
    let mut response = page(Request::from_parts(parts, Body::empty())).await;
    // What the page found out by itself counts for more.
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}
