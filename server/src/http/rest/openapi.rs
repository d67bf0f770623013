//! `GET /api/v1/openapi.json`: what the API can do, for programs and their authors. Needs no session: it holds no secret.

use axum::{Json, response::IntoResponse};
use quarterdeck_app::view::health::DeltaView;
use utoipa::OpenApi;

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Quarterdeck", description = "Live health of the watched system, and who did what. Sign in with a browser session; errors are problem+json (RFC 9457)."),
    paths(
        super::health::overview,
        super::health::metric,
        super::health::range,
        super::health::range_csv,
        super::health::transitions,
        super::audit::page,
        super::audit::entry,
        super::audit::export,
        super::me,
        super::actions::plan,
        super::actions::request,
        super::actions::list,
        super::actions::action,
        super::actions::approve,
        super::actions::reject,
        super::actions::start,
        super::actions::cancel,
        super::actions::review,
        crate::http::events::stream,
    ),
    components(schemas(crate::http::problem::Problem, DeltaView)),
    tags((name = "health", description = "Metrics, alerts, sources"), (name = "audit", description = "Who did what: searching, proving and taking away the audit log"), (name = "actions", description = "Guarded actions: plan, ask, agree, start, record"), (name = "account", description = "Who is signed in"))
)]
pub struct Document;

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
