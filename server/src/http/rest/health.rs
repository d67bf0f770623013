//! `/api/v1/health`: the overview, one metric, its range and its transitions.

use axum::{
    extract::{Path, Query},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quarterdeck_app::{
    error::ConsoleError,
    ports::Console,
    view::health::{MetricView, OverviewView, RangeView, TransitionView},
};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::IntoParams;

use super::{super::problem::Problem, answer, csv, failure, query::RangeQuery};
use crate::{
    http::{asked::Asked, auth::SignedIn},
    services::console::AskedConsole,
};

/// The state of everything: metrics by group, alerts, sources, database nodes.
#[utoipa::path(get, path = "/api/v1/health", tag = "health",
    responses((status = 200, body = OverviewView, description = "What the overview shows"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn overview(Asked(console): Asked, SignedIn(subject): SignedIn) -> Response {
    answer(console.overview(&subject))
}

/// One metric: its present state, thresholds, query, rule and runbook.
#[utoipa::path(get, path = "/api/v1/health/{id}", tag = "health", params(("id" = String, Path, description = "Name of the metric")),
    responses((status = 200, body = MetricView, description = "What the metric's page shows"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn metric(Asked(console): Asked, SignedIn(subject): SignedIn, Path(id): Path<String>) -> Response {
    answer(console.metric(&subject, &id).await)
}

async fn load(
    console: &AskedConsole,
    subject: &quarterdeck_domain::access::Subject,
    id: &str,
    query: &RangeQuery,
) -> Result<RangeView, ConsoleError> {
    let (range, points) = query.resolve(console.now_ms())?;
    console.range(subject, id, range, points).await
}

/// The lines of a metric over a range, on a grid of round steps.
#[utoipa::path(get, path = "/api/v1/health/{id}/range", tag = "health", params(("id" = String, Path, description = "Name of the metric"), RangeQuery),
    responses((status = 200, body = RangeView, description = "`from_s`, `to_s`, `step_s`, `lines` with a value or null a step"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn range(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<RangeQuery>,
) -> Response {
    answer(load(&console, &subject, &id, &query).await)
}

/// The same as a table for spreadsheets: a column a line, times in UTC.
#[utoipa::path(get, path = "/api/v1/health/{id}/range.csv", tag = "health", params(("id" = String, Path, description = "Name of the metric"), RangeQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn range_csv(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    Query(query): Query<RangeQuery>,
) -> Response {
    match load(&console, &subject, &id, &query).await {
        Ok(view) => {
            let name = format!("attachment; filename=\"{id}.csv\"");
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            match table(&id, &view) {
                Ok(table) => (headers, table).into_response(),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a table could not be made"
                    );
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
        Err(error) => failure(error),
    }
}

/// How many transitions to give.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub struct Limit {
    /// 1 to 1000; 100 if it is left out.
    limit: Option<u32>,
}

/// The last changes of band, the newest first.
#[utoipa::path(get, path = "/api/v1/health/{id}/transitions", tag = "health", params(("id" = String, Path, description = "Name of the metric"), Limit),
    responses((status = 200, body = Vec<TransitionView>, description = "A list of changes"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn transitions(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Path(id): Path<String>,
    Query(Limit { limit }): Query<Limit>,
) -> Response {
    answer(console.transitions(&subject, &id, limit.unwrap_or(100)).await)
}

/// `time,<line>,…` with an empty cell where nothing is known.
fn table(id: &str, view: &RangeView) -> Result<String, csv::TableError> {
    let mut table = csv::writer();
    let names = view.lines.iter().map(|line| line.name.as_deref().unwrap_or(id));
    table.write_record(
        std::iter::once("time".into())
            .chain(names.map(csv::harmless))
            .map(String::from),
    )?;
    let slots = view.lines.iter().map(|l| l.values.len()).max().unwrap_or(0);
    for slot in 0..slots {
        let at_s = view.from_s + view.step_s * i64::try_from(slot).unwrap_or(0);
        let time = OffsetDateTime::from_unix_timestamp(at_s)
            .ok()
            .and_then(|t| t.format(&Rfc3339).ok());
        let values = view.lines.iter().map(|line| {
            let value = line.values.get(slot).copied().flatten();
            value.map(|value| value.to_string()).unwrap_or_default()
        });
        table.write_record(std::iter::once(time.unwrap_or_default()).chain(values))?;
    }
    csv::text(table)
}

#[cfg(test)]
mod tests {
    use quarterdeck_app::view::health::LineView;

    use super::*;

    #[test]
    fn a_table_has_a_column_a_line_and_empty_cells_for_gaps() {
        let line = |name: &str, values: Vec<Option<f64>>| LineView {
            name: Some(name.into()),
            values,
        };
        let view = RangeView {
            from_s: 1_767_323_040,
            to_s: 1_767_323_050,
            step_s: 10,
            lines: vec![
                line("api-0", vec![Some(1.5), None]),
                line("=cmd()", vec![None, Some(2.0)]),
            ],
            left_out: 0,
        };
        let expected = "time,api-0,'=cmd()\r\n2026-01-02T03:04:00Z,1.5,\r\n2026-01-02T03:04:10Z,,2\r\n";
        assert_eq!(table("cpu", &view).unwrap(), expected);
    }
}
