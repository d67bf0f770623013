//! All pages with made-up data, for work on their looks: `cargo run -p quarterdeck-app --features ssr --example preview -- 3100`.
//! `?scenario=calm|mixed|blind|storm|fresh` chooses the data, `?theme=dark|light` the colours, `?out` signs out.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for the desk"
)]

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::{collections::HashMap, convert::Infallible, path::Path, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, Query},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Sse, sse},
    routing::get,
};
use fake::{FakeConsole, Scenario};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};
use quarterdeck_app::{
    ports::{ConsoleHandle, Theme},
    routes::App,
    shell::shell,
    view::{database::SessionFilter, health::DeltaView},
};

fn now_ms() -> i64 {
    i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap()
}

fn live(scenario: Scenario) -> FakeConsole {
    FakeConsole {
        scenario,
        now_ms: now_ms(),
    }
}

/// `main.css` with its imports put in, each in its layer.
fn css() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../style");
    let main = std::fs::read_to_string(root.join("main.css")).unwrap();
    main.lines()
        .map(|line| match line.trim().strip_prefix("@import \"") {
            Some(rest) => {
                let (file, rest) = rest.split_once('"').unwrap();
                let text = std::fs::read_to_string(root.join(file)).unwrap();
                match rest.split_once("layer(").and_then(|(_, l)| l.split_once(')')) {
                    Some((layer, _)) => format!("@layer {layer} {{\n{text}\n}}\n"),
                    None => text,
                }
            }
            None => format!("{line}\n"),
        })
        .collect()
}

/// The scenario of the page that asks: in its own address, or in that of the page it belongs to.
fn scenario(uri: &Uri, headers: &HeaderMap) -> Scenario {
    let referer = headers
        .get(header::REFERER)
        .and_then(|r| r.to_str().ok())
        .unwrap_or_default();
    let all = format!("{uri} {referer}");
    let name = all.split("scenario=").nth(1).unwrap_or_default();
    Scenario::parse(
        name.split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default(),
    )
}

fn context(uri: &Uri, headers: &HeaderMap) {
    let console: ConsoleHandle = Arc::new(live(scenario(uri, headers)));
    let mut request = fake::request(&uri.to_string());
    let query = uri.query().unwrap_or_default();
    if query.contains("theme=dark") {
        request.theme = Theme::Dark;
    } else if query.contains("theme=light") {
        request.theme = Theme::Light;
    }
    if let (true, Some(subject)) = (uri.path().starts_with("/audit"), &mut request.subject) {
        subject.role = quarterdeck_domain::access::Role::Auditor;
    }
    if query.contains("out") || uri.path() == "/sign-in" {
        request.subject = None;
    }
    provide_context(console);
    provide_context(request);
    if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) {
        let policy = format!(
            "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy.parse().unwrap());
    }
}

fn provide() {
    if let Some(parts) = use_context::<Parts>() {
        context(&parts.uri, &parts.headers);
    }
}

async fn events(uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let scenario = scenario(&uri, &headers);
    let stream = futures::stream::unfold(0u64, move |n| async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let console = live(if n % 8 > 3 { scenario } else { Scenario::Calm });
        let view = console.view();
        let values = view
            .tiles()
            .filter_map(|t| Some((t.id.clone(), t.value? * (1.0 + (n % 5) as f64 / 50.0))))
            .collect();
        let delta = DeltaView {
            event_id: String::new(),
            polled_at_ms: console.now_ms,
            values,
            tiles: HashMap::new().into_iter().collect(),
            alerts: (n % 4 == 0).then_some(view.alerts),
            sources: None,
            databases: None,
        };
        let event = sse::Event::default()
            .event("delta")
            .id(n.to_string())
            .json_data(delta)
            .unwrap();
        Some((Ok::<_, Infallible>(event), n + 1))
    });
    Sse::new(stream)
}

async fn sessions(
    Query(query): Query<HashMap<String, String>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<impl IntoResponse, (StatusCode, String)> {
    let filter = SessionFilter::read(|name| query.get(name).cloned());
    filter
        .and_then(|filter| live(scenario(&uri, &headers)).database(&filter))
        .map(Json)
        .map_err(|error| (StatusCode::from_u16(error.status()).unwrap(), error.to_string()))
}

#[derive(serde::Deserialize)]
struct RangeQuery {
    from: i64,
    to: i64,
    max_points: Option<u32>,
}

#[tokio::main]
async fn main() {
    // leptos_axum does this itself only with its default features.
    let _ = any_spawner::Executor::init_tokio();
    let port = std::env::args().nth(1).unwrap_or_else(|| "3100".into());
    let site = std::env::args().nth(2).unwrap_or_else(|| "target/site".into());
    let options = LeptosOptions::builder()
        .output_name("quarterdeck")
        .site_root(site.clone())
        .build();
    let routes = generate_route_list(App);
    let (shell_options, fallback_options) = (options.clone(), options.clone());
    let app =
        Router::new()
            .route(
                "/pkg/quarterdeck.css",
                get(|| async { ([(header::CONTENT_TYPE, "text/css")], css()) }),
            )
            .route(
                "/favicon.svg",
                get(|| async {
                    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../style/assets/favicon.svg");
                    (
                        [(header::CONTENT_TYPE, "image/svg+xml")],
                        std::fs::read_to_string(file).unwrap(),
                    )
                }),
            )
            .route("/api/v1/events", get(events))
            .route("/api/v1/database/sessions", get(sessions))
            .route(
                "/api/v1/health/{id}/range",
                get(
                    |UrlPath(id): UrlPath<String>,
                     Query(q): Query<RangeQuery>,
                     uri: Uri,
                     headers: HeaderMap| async move {
                        let range = quarterdeck_domain::chart::TimeRange::new(q.from, q.to).unwrap();
                        Json(
                            live(scenario(&uri, &headers))
                                .lines(&id, range, q.max_points.unwrap_or(400))
                                .unwrap(),
                        )
                    },
                ),
            )
            .leptos_routes_with_context(&options, routes, provide, move || shell(shell_options.clone()))
            .nest_service("/pkg", tower_http::services::ServeDir::new(format!("{site}/pkg")))
            .fallback(leptos_axum::render_app_async_with_context(provide, move || {
                shell(fallback_options.clone())
            }))
            .with_state(options);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    println!("http://127.0.0.1:{port}/");
    axum::serve(listener, app).await.unwrap();
}
