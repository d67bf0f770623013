//! What the metric page asks beyond the present state: lines of a chart, the loaded rule, stored transitions.
//!
//! Answers of Prometheus are kept for a moment and asked for once, however many people look: ranges are moved to
//! round steps first, so that they ask for the same thing.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use quarterdeck_app::{
    error::ConsoleError,
    view::health::{LineView, LoadedRuleView, RangeView, TransitionView},
};
use quarterdeck_domain::{
    chart::TimeRange,
    health::{Band, Direction, MetricSpec},
};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::{
    clients::{
        PrometheusClient, SourceError,
        prometheus::{LoadedRule, Series},
    },
    clock::unix_ms,
    db::health_transitions,
};

/// More lines than this nobody can tell apart: the worst are shown, and how many are left out is said.
const MAX_LINES: usize = 12;
/// More points a line than a wide screen has pixels are not drawn.
const MAX_POINTS: u32 = 2_000;

/// Answers questions about single metrics.
#[derive(Debug, Clone)]
pub struct Charts {
    prometheus: PrometheusClient,
    pool: PgPool,
    ranges: Cache<(String, i64, i64, i64), Arc<RangeView>>,
    rules: Cache<(), Arc<Vec<LoadedRule>>>,
}

impl Charts {
    /// Asks this engine and this database.
    #[must_use]
    pub fn new(prometheus: PrometheusClient, pool: PgPool) -> Self {
        let ranges = Cache::builder()
            .max_capacity(256)
            .time_to_live(Duration::from_secs(3))
            .build();
        let rules = Cache::builder()
            .max_capacity(1)
            .time_to_live(Duration::from_secs(10))
            .build();
        Self {
            prometheus,
            pool,
            ranges,
            rules,
        }
    }

    /// The lines of a metric over a range, at most `max_points` points each.
    ///
    /// # Errors
    /// [`ConsoleError::Unavailable`] when Prometheus does not answer, [`ConsoleError::BadRequest`] when it refuses the query.
    pub async fn range(
        &self,
        spec: &MetricSpec,
        range: TimeRange,
        max_points: u32,
    ) -> Result<Arc<RangeView>, ConsoleError> {
        let step_s = range.step_s(max_points.clamp(2, MAX_POINTS));
        let range = range.aligned(step_s);
        let key = (spec.id.to_string(), range.from_s(), range.to_s(), step_s);
        let load = async {
            let at = |s: i64| OffsetDateTime::from_unix_timestamp(s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let step = Duration::from_secs(step_s.unsigned_abs());
            let series = self
                .prometheus
                .range(&spec.query, at(range.from_s()), at(range.to_s()), step)
                .await?;
            Ok(Arc::new(range_view(spec, range, step_s, series)))
        };
        self.ranges
            .try_get_with(key, load)
            .await
            .map_err(|e: Arc<SourceError>| range_error(&e))
    }

    /// A rule as Prometheus has it loaded; `None` when it has no such rule, or does not answer.
    pub async fn rule(&self, name: &str) -> Option<LoadedRuleView> {
        let load = async { self.prometheus.rules().await.map(Arc::new) };
        let rules = match self.rules.try_get_with((), load).await {
            Ok(rules) => rules,
            Err(error) => {
                tracing::debug!(
                    error = &*error as &dyn std::error::Error,
                    "the rules could not be read"
                );
                return None;
            }
        };
        rules
            .iter()
            .find(|rule| rule.name == name)
            .map(|rule| LoadedRuleView {
                expression: rule.expression.clone(),
                for_s: rule.for_s,
                state: rule.state.clone(),
            })
    }

    /// The last changes of band, the newest first.
    ///
    /// # Errors
    /// [`ConsoleError::Unavailable`] when the console's database does not answer.
    pub async fn transitions(&self, metric: &str, limit: u32) -> Result<Vec<TransitionView>, ConsoleError> {
        let rows = health_transitions::of_metric(&self.pool, metric, limit.clamp(1, 1_000)).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, metric, "the history of a metric could not be read");
            ConsoleError::Unavailable(
                "The history is not available: the console's own database does not answer. Live values are not affected.".into(),
            )
        })?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(TransitionView {
                    from: Band::parse(&row.from_band)?,
                    to: Band::parse(&row.to_band)?,
                    since_ms: unix_ms(row.observed_since),
                    at_ms: unix_ms(row.at),
                    value: row.value,
                    member: row.subject,
                    reason: Some(row.reason).filter(|r| !r.is_empty()),
                })
            })
            .collect())
    }
}

fn range_error(error: &SourceError) -> ConsoleError {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "a chart could not be read"
    );
    match error {
        SourceError::BadQuery { message } => ConsoleError::BadRequest(format!(
            "Prometheus refused the query of this chart: {message}. Choose another range; if it goes on, check the metric's query in the profile."
        )),
        _ => ConsoleError::Unavailable(format!(
            "The chart can't be drawn: {error}. The values above are as old as they say; try again when Prometheus answers."
        )),
    }
}

/// Puts each series on the grid of the range; keeps the worst if there are too many.
#[must_use]
pub fn range_view(spec: &MetricSpec, range: TimeRange, step_s: i64, mut series: Vec<Series>) -> RangeView {
    let worst = |s: &Series| {
        let finite = s.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite());
        match spec.thresholds.direction() {
            Direction::LowerIsBetter => finite.fold(f64::NEG_INFINITY, f64::max),
            Direction::HigherIsBetter => -finite.fold(f64::INFINITY, f64::min),
        }
    };
    let left_out = series.len().saturating_sub(MAX_LINES);
    if left_out > 0 {
        series.sort_by(|a, b| worst(b).total_cmp(&worst(a)));
        series.truncate(MAX_LINES);
    }
    let name = |s: &Series| {
        spec.series_label
            .as_ref()
            .and_then(|label| s.labels.get(label).cloned())
    };
    series.sort_by_key(name);
    let slots = usize::try_from(range.seconds() / step_s.max(1)).unwrap_or(0) + 1;
    let lines = series.iter().map(|s| {
        let mut values = vec![None; slots];
        for (at_ms, value) in s.points.iter().filter(|(_, v)| v.is_finite()) {
            let slot = (at_ms / 1_000 - range.from_s()).div_euclid(step_s.max(1));
            if let Some(place) = usize::try_from(slot).ok().and_then(|slot| values.get_mut(slot)) {
                *place = Some(round_5(*value));
            }
        }
        LineView {
            name: name(s),
            values,
        }
    });
    RangeView {
        from_s: range.from_s(),
        to_s: range.to_s(),
        step_s,
        lines: lines.collect(),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
    }
}

/// Five significant digits: a chart shows no more, and a download of it is not ten times as long.
fn round_5(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::profile::ProfileConfig;

    fn series(pod: &str, points: &[(i64, f64)]) -> Series {
        Series {
            labels: BTreeMap::from([("pod".to_owned(), pod.to_owned())]),
            points: points.to_vec(),
        }
    }

    #[test]
    fn gaps_stay_gaps_on_the_grid() {
        let profile = ProfileConfig::default().load().unwrap();
        let spec = profile.metric("cpu_per_pod").unwrap();
        let range = TimeRange::new(100, 130).unwrap();
        let points = [(100_000, 1.0), (110_000, f64::NAN), (130_000, 4.0)];
        let view = range_view(spec, range, 10, vec![series("a", &points)]);
        assert_eq!(view.lines[0].name.as_deref(), Some("a"));
        assert_eq!(view.lines[0].values, [Some(1.0), None, None, Some(4.0)]);
    }

    #[test]
    fn of_many_pods_the_worst_are_shown_and_the_rest_counted() {
        let profile = ProfileConfig::default().load().unwrap();
        let spec = profile.metric("cpu_per_pod").unwrap();
        let range = TimeRange::new(100, 130).unwrap();
        let all = (0..30)
            .map(|i| series(&format!("p{i:02}"), &[(100_000, f64::from(i))]))
            .collect();
        let view = range_view(spec, range, 10, all);
        assert_eq!((view.lines.len(), view.left_out), (12, 18));
        assert!(view.lines.iter().any(|l| l.name.as_deref() == Some("p29")));
        assert!(view.lines.iter().all(|l| l.name.as_deref() != Some("p00")));
    }
}
