//! The router: every door, and the layers around them.

use axum::{Router, extract::Request, middleware, routing::get, routing::post};
use leptos_axum::{LeptosRoutes, generate_route_list};
use quarterdeck_app::{routes::App, shell::shell};
use quarterdeck_domain::access::Permission;
use tower_http::{
    CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer,
    limit::RequestBodyLimitLayer,
};

use crate::http::{
    actions, api_tokens, assets,
    auth::authenticate,
    backups,
    csrf::refuse_cross_site,
    doors::{Access, Door, Doors},
    emergency, events, pages, probes, request, rest,
    security_headers::{Https, security_headers},
    sessions,
    state::AppState,
    theme,
};

/// The largest body that is read: forms are small.
const BODY_LIMIT: usize = 256 * 1024;

/// Builds the router with every layer, and the list of its doors.
pub(super) fn router(state: &AppState) -> (Router, Vec<Door>) {
    let health = Access::Call(Permission::ViewHealth);
    let (calls, mut doors) = Doors::default()
        .get("/api/v1/health", health, get(rest::health::overview))
        .get("/api/v1/health/{id}", health, get(rest::health::metric))
        .get("/api/v1/health/{id}/range", health, get(rest::health::range))
        .get(
            "/api/v1/health/{id}/range.csv",
            health,
            get(rest::health::range_csv),
        )
        .get(
            "/api/v1/health/{id}/transitions",
            health,
            get(rest::health::transitions),
        )
        .get(
            "/api/v1/audit",
            Access::Call(Permission::ViewAudit),
            get(rest::audit::page),
        )
        .get(
            "/api/v1/audit/export",
            Access::Call(Permission::ExportAudit),
            get(rest::audit::export),
        )
        .get(
            "/api/v1/audit/{seq}",
            Access::Call(Permission::ViewAudit),
            get(rest::audit::entry),
        )
        .get(
            "/api/v1/actions",
            Access::Call(Permission::ViewActions),
            get(rest::actions::list),
        )
        .post(
            "/api/v1/actions",
            Access::Call(Permission::RequestAction),
            post(rest::actions::request),
        )
        .get(
            "/api/v1/actions/policy",
            Access::Call(Permission::ViewActions),
            get(rest::actions::policy),
        )
        .post(
            "/api/v1/actions/plan",
            Access::Call(Permission::ViewActions),
            post(rest::actions::plan),
        )
        .get(
            "/api/v1/actions/{id}",
            Access::Call(Permission::ViewActions),
            get(rest::actions::action),
        )
        .post(
            "/api/v1/actions/{id}/approve",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::approve),
        )
        .post(
            "/api/v1/actions/{id}/reject",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::reject),
        )
        .post(
            "/api/v1/actions/{id}/start",
            Access::Call(Permission::RequestAction),
            post(rest::actions::start),
        )
        .post(
            "/api/v1/actions/{id}/cancel",
            Access::Call(Permission::RequestAction),
            post(rest::actions::cancel),
        )
        .post(
            "/api/v1/actions/{id}/review",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::review),
        )
        .post(
            "/actions",
            Access::Form(Permission::RequestAction),
            post(actions::request),
        )
        .post(
            "/actions/{id}/approve",
            Access::Form(Permission::ApproveAction),
            post(actions::approve),
        )
        .post(
            "/actions/{id}/reject",
            Access::Form(Permission::ApproveAction),
            post(actions::reject),
        )
        .post(
            "/actions/{id}/start",
            Access::Form(Permission::RequestAction),
            post(actions::start),
        )
        .post(
            "/actions/{id}/cancel",
            Access::Form(Permission::RequestAction),
            post(actions::cancel),
        )
        .post(
            "/actions/{id}/review",
            Access::Form(Permission::ApproveAction),
            post(actions::review),
        )
        .post(
            "/backups/run",
            Access::Form(Permission::RunBackups),
            post(backups::run),
        )
        .post(
            "/backups/cancel",
            Access::Form(Permission::RunBackups),
            post(backups::cancel),
        )
        .post(
            "/backups/verify",
            Access::Form(Permission::RunBackups),
            post(backups::verify),
        )
        .post(
            "/backups/drill",
            Access::Form(Permission::RunBackups),
            post(backups::drill),
        )
        .post(
            "/backups/pin",
            Access::Form(Permission::RunBackups),
            post(backups::pin),
        )
        .post(
            "/api/v1/backups/runs",
            Access::Call(Permission::ReportBackups),
            post(rest::backups::report),
        )
        .post(
            "/api/v1/backups/now",
            Access::Call(Permission::RunBackups),
            post(rest::backups::now),
        )
        .post(
            "/api/v1/backups/runs/{id}/cancel",
            Access::Call(Permission::RunBackups),
            post(rest::backups::cancel),
        )
        .post(
            "/emergency",
            Access::Form(Permission::BreakGlassWithoutDatabase),
            post(emergency::begin),
        )
        .get(
            "/api/v1/database/sessions",
            Access::Call(Permission::ViewDatabase),
            get(rest::database::sessions),
        )
        .get(
            "/api/v1/database/topology",
            Access::Call(Permission::ViewDatabase),
            get(rest::database::topology),
        )
        .get(
            "/api/v1/backups",
            Access::Call(Permission::ViewBackups),
            get(rest::backup_list::list),
        )
        .get(
            "/api/v1/recoverability",
            Access::Call(Permission::ViewBackups),
            get(rest::recoverability::recoverability),
        )
        .get("/api/v1/maintenance", health, get(rest::maintenance::maintenance))
        .get("/api/v1/events", health, get(events::stream))
        .get(
            "/api/v1/me",
            Access::Call(Permission::ViewOwnSessions),
            get(rest::me),
        )
        .get(
            "/api/v1/openapi.json",
            Access::Public,
            get(rest::openapi::document),
        )
        .get("/-/healthy", Access::Public, get(probes::healthy))
        .get("/-/ready", Access::Public, get(probes::ready))
        .get("/metrics", Access::Public, get(probes::metrics))
        .get("/pkg/{file}", Access::Public, get(assets::package))
        .get("/favicon.svg", Access::Public, get(assets::favicon))
        .post("/sign-in", Access::Public, post(sessions::sign_in))
        .post("/sign-out", Access::Public, post(sessions::sign_out))
        .post("/account/theme", Access::Public, post(theme::choose))
        .post(
            "/account/sessions/{id}/revoke",
            Access::Form(Permission::RevokeOwnSession),
            post(sessions::revoke),
        )
        .post(
            "/account/sessions/revoke-others",
            Access::Form(Permission::RevokeOwnSession),
            post(sessions::revoke_others),
        )
        .post(
            "/account/tokens",
            Access::Form(Permission::ManageOwnTokens),
            post(api_tokens::make),
        )
        .post(
            "/account/tokens/{id}/revoke",
            Access::Form(Permission::ManageOwnTokens),
            post(api_tokens::revoke),
        )
        .open();

    let provide = {
        let state = state.clone();
        move || pages::provide(&state)
    };
    let page_routes = generate_route_list(App);
    doors.extend(page_routes.iter().map(|route| {
        let path = route.path().to_owned();
        let access = match path.as_str() {
            pages::SIGN_IN => Access::Public,
            "/account/sessions" => Access::Page(Permission::ViewOwnSessions),
            api_tokens::OWN_TOKENS => Access::Page(Permission::ViewOwnTokens),
            "/audit" | "/audit/{seq}" => Access::Page(Permission::ViewAudit),
            "/actions" | "/actions/new" | "/actions/policy" | "/actions/:id" => {
                Access::Page(Permission::ViewActions)
            }
            "/emergency" => Access::Page(Permission::BreakGlassWithoutDatabase),
            "/database" | "/database/topology" => Access::Page(Permission::ViewDatabase),
            "/backups" | "/backups/runs/:id" | "/backups/copies" => Access::Page(Permission::ViewBackups),
            _ => Access::Page(Permission::ViewHealth),
        };
        Door {
            method: axum::http::Method::GET,
            path,
            access,
        }
    }));
    let document = {
        let options = state.leptos.clone();
        move || shell(options.clone())
    };
    let not_found = leptos_axum::render_app_async_with_context(provide.clone(), document.clone());
    let pages = Router::new()
        .leptos_routes_with_context(state, page_routes, provide, document)
        .fallback(move |request: Request| not_found(request))
        .layer(middleware::from_fn_with_state(state.clone(), pages::gate))
        // A seventh of the bytes for half a millisecond. What a page reflects cannot be probed by its length: other
        // sites' requests bring no cookies along (SameSite=Strict), so they see no page.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));

    let router = Router::new()
        .merge(calls)
        .route("/api/{*rest}", axum::routing::any(rest::no_such_call))
        .merge(pages)
        .layer(middleware::from_fn_with_state(
            state.auth.clone(),
            refuse_cross_site,
        ))
        .layer(middleware::from_fn_with_state(state.auth.clone(), authenticate))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(request::after_panic))
        .layer(middleware::from_fn_with_state(
            Https(state.config.server.is_https()),
            security_headers,
        ))
        .layer(middleware::from_fn_with_state(state.clone(), request::observe))
        .with_state(state.clone());
    (router, doors)
}
