//! `GET /api/v1/openapi.json`: what the API can do, for programs and their authors. Needs no session: it holds no secret.

use axum::{Json, response::IntoResponse};
use quarterdeck_app::view::health::DeltaView;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Quarterdeck", description = "Live health of the watched system, and who did what. Send an API token as `Authorization: Bearer …`, or a browser's session; errors are problem+json (RFC 9457)."),
    paths(
        super::database::sessions,
        super::database::topology,
        super::health::overview,
        super::health::metric,
        super::health::range,
        super::health::range_csv,
        super::health::transitions,
        super::audit::page,
        super::audit::entry,
        super::audit::export,
        super::maintenance::maintenance,
        super::me,
        super::actions::plan,
        super::actions::request,
        super::actions::list,
        super::actions::policy,
        super::actions::action,
        super::actions::approve,
        super::actions::reject,
        super::actions::start,
        super::actions::cancel,
        super::actions::review,
        super::backups::report,
        super::backups::now,
        super::backups::cancel,
        super::backup_list::list,
        super::recoverability::recoverability,
        crate::http::events::stream,
    ),
    modifiers(&Credentials),
    security(("api_token" = []), ("session" = [])),
    components(schemas(crate::http::problem::Problem, DeltaView)),
    tags((name = "health", description = "Metrics, alerts, sources"), (name = "database", description = "Sessions and topology of the watched database"), (name = "audit", description = "Who did what: searching, proving and taking away the audit log"), (name = "actions", description = "Guarded actions: plan, ask, agree, start, record"), (name = "backups", description = "What is kept, to which instants it lets one return, and the runs that make it"), (name = "account", description = "Who is signed in"))
)]
pub struct Document;

/// Says how a program shows who it is.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API token, made on the page Your API tokens: it may what it was given, as far as its owner may, and can \
                 agree to nothing.",
            ))
            .build();
        components.add_security_scheme("api_token", SecurityScheme::Http(token));
        let cookie =
            ApiKeyValue::with_description("qd_access", "The session of a browser that is signed in.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Gives the document.
pub async fn document() -> impl IntoResponse {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
        let names: Vec<&str> = references.filter_map(|rest| rest.split('"').next()).collect();
        assert!(
            names.contains(&"OverviewView") && names.contains(&"Problem"),
            "{names:?}"
        );
        for name in names {
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name} is not described"
            );
        }
    }
}
