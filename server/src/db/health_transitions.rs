//! The stored changes of band.

use quarterdeck_domain::health::{Band, MetricId};
use sqlx::{PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::DbError;
use crate::services::health::engine::TransitionRecord;

/// A row of `quarterdeck.health_transitions`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct HealthTransitionRow {
    /// The metric's name.
    pub metric_id: String,
    /// The band before.
    pub from_band: String,
    /// The band after.
    pub to_band: String,
    /// The value at that time, in the metric's unit.
    pub value: Option<f64>,
    /// The worst member at that time.
    pub subject: Option<String>,
    /// Why it was unknown; empty when it was known.
    pub reason: String,
    /// When it counted.
    pub at: OffsetDateTime,
    /// When the new band was first seen.
    pub observed_since: OffsetDateTime,
}

/// Stores changes of band, all or none.
///
/// # Errors
/// [`DbError`].
pub async fn insert(pool: &PgPool, records: &[TransitionRecord]) -> Result<(), DbError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::<Postgres>::new(
        "insert into quarterdeck.health_transitions
            (metric_id, from_band, to_band, value, subject, reason, at, observed_since) ",
    );
    query.push_values(records, |mut row, record| {
        row.push_bind(record.metric.as_str().to_owned())
            .push_bind(record.transition.from.as_str())
            .push_bind(record.transition.to.as_str())
            .push_bind(record.value)
            .push_bind(record.member.clone())
            .push_bind(record.reason.clone().unwrap_or_default())
            .push_bind(record.transition.at)
            .push_bind(record.transition.since);
    });
    query.build().execute(pool).await?;
    Ok(())
}

/// The band that each metric was last stored in, and since when.
///
/// # Errors
/// [`DbError`]; rows whose metric or band this version does not know are left out.
pub async fn latest(pool: &PgPool) -> Result<Vec<(MetricId, Band, OffsetDateTime)>, DbError> {
    let rows: Vec<(String, String, OffsetDateTime)> = sqlx::query_as(
        "select distinct on (metric_id) metric_id, to_band, observed_since
         from quarterdeck.health_transitions order by metric_id, at desc, id desc",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(metric, band, since)| Some((MetricId::new(metric).ok()?, Band::parse(&band)?, since)))
        .collect())
}

/// The last changes of one metric, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn of_metric(pool: &PgPool, metric: &str, limit: u32) -> Result<Vec<HealthTransitionRow>, DbError> {
    Ok(sqlx::query_as(
        "select metric_id, from_band, to_band, value, subject, reason, at, observed_since
         from quarterdeck.health_transitions where metric_id = $1 order by at desc, id desc limit $2",
    )
    .bind(metric)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?)
}
