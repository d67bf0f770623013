//! `/api/v1/recoverability`: to which instants one could return, what would be lost, and how long it would take.

use axum::{extract::Query, response::Response};
use quarterdeck_app::{
    error::ConsoleError,
    view::backup::{MapView, RecoverabilityVerdictView, RpoView, RtoView},
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{IntoParams, ToSchema};

use super::{super::problem::Problem, answer};
use crate::{
    http::{asked::Asked, auth::SignedIn},
    services::backups::reach::Reach,
};

/// Which instant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AtQuery {
    /// An instant, RFC 3339: `2026-11-24T22:00:00Z`. The answer then says whether one could return to it.
    at: Option<String>,
}

/// What could be recovered.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoverabilityView {
    /// When it was looked at, Unix ms.
    read_at_ms: i64,
    /// What it comes to.
    verdict: RecoverabilityVerdictView,
    /// How much would be lost.
    rpo: RpoView,
    /// How long it would take.
    rto: RtoView,
    /// To which instants one could return.
    map: MapView,
    /// What does not work.
    troubles: Vec<String>,
    /// What is known of the instant that was asked for.
    at: Option<Reach>,
}

impl AtQuery {
    fn instant(&self) -> Result<Option<OffsetDateTime>, ConsoleError> {
        let Some(text) = self.at.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        OffsetDateTime::parse(text, &Rfc3339).map(Some).map_err(|_| {
            ConsoleError::BadRequest(format!(
                "{text:?} is no instant; write it like 2026-11-24T22:00:00Z (a + has to be sent as %2B)"
            ))
        })
    }
}

/// To which instants one could return, what would be lost now, and how long it would take; of one instant, by what it can be
/// reached, or why it can't.
#[utoipa::path(get, path = "/api/v1/recoverability", tag = "backups", params(AtQuery),
    responses((status = 200, body = RecoverabilityView, description = "As of the last look, which is at most 20 s old"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem, description = "No backups are configured")))]
pub async fn recoverability(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Query(query): Query<AtQuery>,
) -> Response {
    let asked = async {
        let (view, at) = console.recoverability(&subject, query.instant()?).await?;
        Ok(RecoverabilityView {
            read_at_ms: view.read_at_ms,
            verdict: view.verdict,
            rpo: view.rpo,
            rto: view.rto,
            map: view.map,
            troubles: view.troubles,
            at,
        })
    };
    answer(asked.await)
}
