//! What each metric says in each scenario: its tile and its lines.

use quarterdeck_app::{
    error::ConsoleError,
    view::health::{LineView, RangeView, TileView},
};
use quarterdeck_domain::{
    chart::TimeRange,
    health::{Band, UnknownReason, assess_value},
};

use super::{
    FakeConsole, Scenario,
    rows::{ROWS, actions, index, thresholds, wave},
};

impl FakeConsole {
    fn factor(&self, i: usize) -> f64 {
        let row = &ROWS[i];
        match (self.scenario, row.0) {
            (Scenario::Mixed, "api_latency_p99") => 13.5,
            (Scenario::Mixed, "db_pool_utilization") => 2.03,
            (Scenario::Mixed, "cpu_per_pod") => 3.1,
            (Scenario::Storm, "redis_hit_rate") => 0.6,
            (Scenario::Storm, _) => row.5 / row.7 * 1.4,
            (Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Fresh | Scenario::Old, _) => 1.0,
        }
    }

    fn unknown(&self, i: usize) -> Option<UnknownReason> {
        match (self.scenario, ROWS[i].0) {
            (Scenario::Fresh, _) => Some(UnknownReason::NotYetRead),
            (Scenario::Blind, _) => Some(UnknownReason::SourceDown),
            (Scenario::Mixed, "redis_memory") => Some(UnknownReason::Stale { age_s: 94 }),
            (Scenario::Mixed, "ai_error_rate") | (Scenario::Storm, "redis_ops") => {
                Some(UnknownReason::NotANumber)
            }
            (Scenario::Calm | Scenario::Old | Scenario::Mixed | Scenario::Storm, _) => None,
        }
    }

    pub fn tile(&self, i: usize) -> TileView {
        let row = &ROWS[i];
        let factor = self.factor(i);
        let reason = self.unknown(i);
        let spark: Vec<Option<f64>> = (0..60)
            .map(|k| {
                let rise = if k > 44 || factor <= 1.0 && !row.6 {
                    factor
                } else {
                    1.0 + (factor - 1.0) * k as f64 / 90.0
                };
                let gap = self.scenario == Scenario::Fresh
                    || reason.is_some() && k > 52
                    || row.0 == "ai_latency_p95" && (20..24).contains(&k);
                (!gap).then(|| wave(i, k, row.7) * rise)
            })
            .collect();
        let value = spark.iter().rev().copied().flatten().next();
        let thresholds = thresholds(row);
        let band = match (&reason, value) {
            (None, Some(v)) => assess_value(v, &thresholds),
            (_, _) => Band::Unknown,
        };
        let member = row.8.map(|name| match self.scenario {
            Scenario::Storm => format!("skillquest-worker-with-a-rather-long-name-7d9f8c6b5-{i}x2z"),
            Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Fresh | Scenario::Old => {
                name.to_owned()
            }
        });
        TileView {
            id: row.0.into(),
            title: row.1.into(),
            unit: row.3,
            thresholds,
            actions: actions(row.0),
            band,
            since_ms: (self.scenario != Scenario::Fresh)
                .then(|| self.now_ms - 1_000 * (90 + 4_711 * i as i64 * i as i64)),
            reason,
            value: if self.scenario == Scenario::Fresh {
                None
            } else {
                value
            },
            sampled_at_ms: Some(self.now_ms - 3_000),
            member,
            pending: (self.scenario == Scenario::Mixed && row.0 == "node_heap").then_some(Band::Degraded),
            spark,
            spark_step_s: 15,
            spark_end_ms: Some(self.now_ms - 3_000),
        }
    }

    pub fn lines(&self, id: &str, range: TimeRange, max_points: u32) -> Result<RangeView, ConsoleError> {
        let i = index(id)?;
        if self.scenario == Scenario::Blind {
            return Err(ConsoleError::Unavailable("Prometheus does not answer, so there is no history to show. It is asked again at the next reload.".into()));
        }
        let step_s = range.step_s(max_points);
        let range = range.aligned(step_s);
        let points = range.seconds() / step_s + 1;
        let members: Vec<Option<String>> = match (ROWS[i].8, self.scenario) {
            (None, _) => vec![None],
            (Some(_), Scenario::Storm) => (0..12)
                .map(|k| {
                    Some(format!(
                        "skillquest-worker-with-a-rather-long-name-7d9f8c6b5-{k}x2z"
                    ))
                })
                .collect(),
            (Some(name), _) => (0..3)
                .map(|k| {
                    Some(format!(
                        "{}-{k}",
                        name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                    ))
                })
                .collect(),
        };
        let lines = members
            .into_iter()
            .enumerate()
            .map(|(k, name)| LineView {
                name,
                values: (0..points)
                    .map(|p| {
                        let at = usize::try_from((range.from_s() + p * step_s) / step_s % 10_000)
                            .unwrap_or_default();
                        let gap = (points / 3..points / 3 + points / 20).contains(&p);
                        let rise = 1.0 + (self.factor(i) - 1.0) * (p as f64 / points as f64).powi(4);
                        (!gap).then(|| wave(i + k * 3, at, ROWS[i].7 * (1.0 - 0.07 * k as f64)) * rise)
                    })
                    .collect(),
            })
            .collect();
        Ok(RangeView {
            from_s: range.from_s(),
            to_s: range.to_s(),
            step_s,
            lines,
            left_out: if self.scenario == Scenario::Storm { 18 } else { 0 },
        })
    }
}
