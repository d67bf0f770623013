//! Asks Prometheus, or any engine that speaks its HTTP interface.

use std::{collections::BTreeMap, time::Duration};

use quarterdeck_domain::alert::AlertState;
use serde::{Deserialize, de::DeserializeOwned};
use time::OffsetDateTime;

use super::{
    http_source::{HttpSource, HttpSourceSetupError, SourceError},
    prometheus_answer::{self, lenient_text, rfc3339},
};
use crate::config::http_source::HttpSourceConfig;

/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// One value of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels of the series.
    pub labels: Labels,
    /// The value; NaN and infinities included.
    pub value: f64,
    /// The time for which it was evaluated, which is not the time at which it was scraped.
    pub at: OffsetDateTime,
}

/// One line of a range query.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Labels of the series.
    pub labels: Labels,
    /// (Unix ms, value) in order of time; NaN and infinities included. Steps without a value are left out.
    pub points: Vec<(i64, f64)>,
}

/// An alert that is pending or fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusAlert {
    /// Its labels, without the external ones that are added on the way to Alertmanager.
    pub labels: Labels,
    /// Its annotations, filled in.
    pub annotations: Labels,
    /// [`AlertState::Pending`] or [`AlertState::Firing`].
    pub state: AlertState,
    /// Since when its expression holds.
    pub active_at: OffsetDateTime,
}

/// An alert rule as it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRule {
    /// Name of the alert.
    pub name: String,
    /// Name of its group.
    pub group: String,
    /// PromQL.
    pub expression: String,
    /// How long it must hold, seconds.
    pub for_s: u64,
    /// `inactive`, `pending` or `firing`.
    pub state: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations, as templates.
    pub annotations: Labels,
    /// Why its last evaluation failed, if it did.
    pub last_error: Option<String>,
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// Its version, such as `2.42.0`.
    pub version: String,
}

/// A client of one engine. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct PrometheusClient {
    source: HttpSource,
    /// What the engine is told of our patience, so that it gives up before we do and can say so.
    engine_timeout: String,
}

impl PrometheusClient {
    /// Prepares a client; nothing is asked yet.
    ///
    /// # Errors
    /// [`HttpSourceSetupError`] for headers or certificates that cannot be used.
    pub fn new(config: &HttpSourceConfig) -> Result<Self, HttpSourceSetupError> {
        let source = HttpSource::new(config)?;
        let engine_timeout = format!("{}ms", (source.timeout().as_millis() * 9 / 10).max(1));
        Ok(Self {
            source,
            engine_timeout,
        })
    }

    /// Evaluates `query` at `time`, or now by the engine's own clock: that is what polls ask for, so that a
    /// console whose clock runs ahead does not ask for a future without samples.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceError::BadQuery`] when the engine refuses the query itself.
    pub async fn instant(
        &self,
        query: &str,
        time: Option<OffsetDateTime>,
    ) -> Result<Vec<Sample>, SourceError> {
        let time = time.map(seconds_text);
        let mut form = vec![("query", query), ("timeout", self.engine_timeout.as_str())];
        if let Some(time) = &time {
            form.push(("time", time));
        }
        let answer = self.source.post_form("/api/v1/query", &form).await?;
        prometheus_answer::instant(answer.status.as_u16(), &answer.body)
    }

    /// Evaluates `query` at `from`, `from + step`, … up to `to`. Engines refuse more than 11,000 steps.
    ///
    /// # Errors
    /// As [`Self::instant`].
    pub async fn range(
        &self,
        query: &str,
        from: OffsetDateTime,
        to: OffsetDateTime,
        step: Duration,
    ) -> Result<Vec<Series>, SourceError> {
        let (start, end) = (seconds_text(from), seconds_text(to));
        let step = format!("{}", step.as_secs_f64());
        let form = [
            ("query", query),
            ("start", start.as_str()),
            ("end", end.as_str()),
            ("step", step.as_str()),
            ("timeout", self.engine_timeout.as_str()),
        ];
        let answer = self.source.post_form("/api/v1/query_range", &form).await?;
        prometheus_answer::range(answer.status.as_u16(), &answer.body)
    }

    /// Alerts that are pending or fire.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn alerts(&self) -> Result<Vec<PrometheusAlert>, SourceError> {
        let data: AlertsData = self.get("/api/v1/alerts", &[]).await?;
        Ok(data.alerts.into_iter().filter_map(RawAlert::into_alert).collect())
    }

    /// Alert rules that are loaded; recording rules are left out.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn rules(&self) -> Result<Vec<LoadedRule>, SourceError> {
        let data: RulesData = self.get("/api/v1/rules", &[("type", "alert")]).await?;
        let mut rules = Vec::new();
        for group in data.groups {
            let name = group.name;
            let alerting = group.rules.into_iter().filter(|rule| rule.kind == "alerting");
            rules.extend(alerting.map(|rule| rule.into_rule(&name)));
        }
        Ok(rules)
    }

    /// Name and version of the engine.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceError::HttpStatus`] 404 from engines that don't tell.
    pub async fn build_info(&self) -> Result<BuildInfo, SourceError> {
        self.get("/api/v1/status/buildinfo", &[]).await
    }

    /// The engine's clock.
    ///
    /// # Errors
    /// As [`Self::instant`].
    pub async fn clock(&self) -> Result<OffsetDateTime, SourceError> {
        let samples = self.instant("time()", None).await?;
        let value = samples
            .first()
            .and_then(|sample| prometheus_answer::instant_of(sample.value));
        value.ok_or_else(|| SourceError::Malformed {
            message: "time() is not a time".to_owned(),
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, SourceError> {
        let answer = self.source.get(path, query).await?;
        prometheus_answer::unwrap(answer.status.as_u16(), &answer.body)
    }
}

/// Unix seconds with three decimals, as the interface takes them.
fn seconds_text(time: OffsetDateTime) -> String {
    let ms = time.unix_timestamp_nanos().div_euclid(1_000_000);
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.abs() / 1000, ms.abs() % 1000)
}

#[derive(Deserialize)]
struct AlertsData {
    alerts: Vec<RawAlert>,
}

#[derive(Deserialize)]
struct RawAlert {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    state: String,
    #[serde(rename = "activeAt", deserialize_with = "rfc3339")]
    active_at: OffsetDateTime,
}

impl RawAlert {
    fn into_alert(self) -> Option<PrometheusAlert> {
        let state = match self.state.as_str() {
            "firing" => AlertState::Firing,
            "pending" => AlertState::Pending,
            _ => return None,
        };
        Some(PrometheusAlert {
            labels: self.labels,
            annotations: self.annotations,
            state,
            active_at: self.active_at,
        })
    }
}

#[derive(Deserialize)]
struct RulesData {
    groups: Vec<RawGroup>,
}

#[derive(Deserialize)]
struct RawGroup {
    name: String,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
struct RawRule {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    query: String,
    #[serde(default)]
    duration: f64,
    #[serde(default, deserialize_with = "lenient_text")]
    state: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default, rename = "lastError", deserialize_with = "lenient_text")]
    last_error: Option<String>,
}

impl RawRule {
    fn into_rule(self, group: &str) -> LoadedRule {
        LoadedRule {
            name: self.name,
            group: group.to_owned(),
            expression: self.query,
            for_s: Duration::try_from_secs_f64(self.duration).map_or(0, |d| d.as_secs()),
            state: self.state.unwrap_or_else(|| "inactive".to_owned()),
            labels: self.labels,
            annotations: self.annotations,
            last_error: self.last_error.filter(|error| !error.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_written_to_the_millisecond() {
        assert_eq!(
            seconds_text(datetime!(2026-01-02 03:04:05.678901 UTC)),
            "1767323045.678"
        );
        assert_eq!(seconds_text(datetime!(1969-12-31 23:59:59.5 UTC)), "-0.500");
    }
}
