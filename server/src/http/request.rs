//! What is done around every request: its trace, its line in the log, its figures, and a net under panics.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use quarterdeck_domain::access::Subject;

use super::state::AppState;
use crate::telemetry::trace::{self, TraceContext};

/// Who asked, as noted on the response by the authentication, for the log.
#[derive(Debug, Clone)]
pub struct AskedBy(pub Subject);

/// Goes on with the caller's trace or starts one, and notes the request in the log and in the figures.
///
/// Page views and calls are logged at `info`, probes and files at `debug`, failures of the console at `error`.
pub async fn observe(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let header = request.headers().get("traceparent").and_then(|v| v.to_str().ok());
    let context = match header.and_then(TraceContext::parse) {
        Some(parent) => parent.child(&*app.entropy),
        None => TraceContext::start(&*app.entropy),
    };
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // What matches no route is one series, whatever nonsense is asked for.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    trace::scope(context, async move {
        let mut response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        app.metrics.request(method.as_str(), &route, status, took);
        let user = response
            .extensions()
            .get::<AskedBy>()
            .map(|by| by.0.user_id.to_string());
        let duration_ms = (took.as_secs_f64() * 1e5).round() / 100.0;
        let quiet = path.starts_with("/-/") || path.starts_with("/pkg/") || path == "/metrics";
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = method.as_str(),
                    path,
                    status_code = u64::from(status),
                    duration_ms,
                    user_id = user.as_deref().unwrap_or_default(),
                    "{} {}",
                    method,
                    route
                )
            };
        }
        match status {
            // 503 says that something the console needs is down, which is logged where it is found.
            500..=599 if status != 503 => line!(error),
            _ if quiet => line!(debug),
            _ => line!(info),
        }
        if let Ok(value) = HeaderValue::from_str(&context.traceparent()) {
            response.headers_mut().insert("traceparent", value);
        }
        response
    })
    .await
}

/// What a person sees when the console itself failed: never a closed connection.
#[must_use]
pub fn after_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(panic = what, "a request panicked");
    let trace_id = trace::current().map_or_else(String::new, |t| t.trace_id());
    let text = format!(
        "The console failed at this. Nothing was changed. The server log has the details under trace id {trace_id}.\n"
    );
    let mut response = Response::new(text.into());
    *response.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
