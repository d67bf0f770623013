//! What a metric is: its query, its unit, its thresholds, and how it is read.

use std::{collections::HashSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::action::ActionKind;

/// The stable name of a metric, as in URLs: lower-case letters, digits and underscores, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricId(String);

impl MetricId {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`ProfileError::BadId`] when it is empty, too long, or has other characters.
    pub fn new(name: impl Into<String>) -> Result<Self, ProfileError> {
        let name = name.into();
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(ProfileError::BadId { name });
        }
        Ok(Self(name))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MetricId {
    type Error = ProfileError;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<MetricId> for String {
    fn from(id: MetricId) -> Self {
        id.0
    }
}

/// What kind of series the metric is made from, as the handbook's table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MetricKind {
    /// A quantile of a histogram.
    Histogram,
    /// A rate of a counter.
    Counter,
    /// A gauge, or a ratio of gauges.
    Gauge,
}

impl MetricKind {
    /// The word shown to a person.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Histogram => "histogram",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// The unit of a metric's values, its target and its alert threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Unit {
    /// Thousandths of a second.
    Milliseconds,
    /// Hundredths of the whole: 0 to 100.
    Percent,
    /// Things that are counted.
    Count,
    /// Events per second.
    PerSecond,
    /// United States dollars.
    Usd,
}

impl Unit {
    /// What follows the number, with no leading space: `ms`, `%`, `/s`, or nothing.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::PerSecond => "/s",
            Self::Count | Self::Usd => "",
        }
    }

    /// The number alone, as it is shown: three significant figures below 1,000, thousands grouped above,
    /// dollars with cents below 100.
    #[must_use]
    pub fn number(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        let magnitude = value.abs();
        let decimals = match self {
            Self::Count => 0,
            Self::Usd if magnitude < 100.0 => 2,
            Self::Usd => 0,
            Self::Milliseconds | Self::Percent | Self::PerSecond => match magnitude {
                0.0 => 0,
                m if m < 1.0 => 2,
                m if m < 100.0 => 1,
                _ => 0,
            },
        };
        let digits = format!("{magnitude:.decimals$}");
        let grouped = group_thousands(&digits);
        // A rounded zero has no sign.
        let negative = value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
        let prefix = if matches!(self, Self::Usd) { "$" } else { "" };
        format!("{}{prefix}{grouped}", if negative { "−" } else { "" })
    }

    /// A threshold as the handbook writes it: no more decimals than it has.
    #[must_use]
    pub fn threshold(self, value: f64) -> String {
        let digits = format!("{:.3}", value.abs());
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        let sign = if value < 0.0 { "−" } else { "" };
        let grouped = group_thousands(digits);
        match self {
            Self::Usd => format!("{sign}${grouped}"),
            Self::Count => format!("{sign}{grouped}"),
            Self::Milliseconds => format!("{sign}{grouped} ms"),
            Self::Percent => format!("{sign}{grouped} %"),
            Self::PerSecond => format!("{sign}{grouped} /s"),
        }
    }

    /// Number and unit as one text, for titles, announcements and tables.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self.suffix() {
            "" => self.number(value),
            suffix => format!("{} {suffix}", self.number(value)),
        }
    }
}

/// `1234567.8` -> `1,234,567.8`.
fn group_thousands(digits: &str) -> String {
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut out = String::with_capacity(digits.len() + whole.len() / 3 + 1);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Direction {
    /// Target `< x`, alert `> y`, `x <= y`.
    LowerIsBetter,
    /// Target `> x`, alert `< y`, `x >= y`.
    HigherIsBetter,
}

/// Target and alert threshold in the metric's unit. The target is never on the far side of the alert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Thresholds {
    target: Option<f64>,
    alert: f64,
    direction: Direction,
}

impl Thresholds {
    /// Checks and builds thresholds.
    ///
    /// # Errors
    /// [`ProfileError::BadThresholds`] when a figure is not finite or the target lies beyond the alert.
    pub fn new(target: Option<f64>, alert: f64, direction: Direction) -> Result<Self, ProfileError> {
        let ordered = target.is_none_or(|t| match direction {
            Direction::LowerIsBetter => t <= alert,
            Direction::HigherIsBetter => t >= alert,
        });
        if !alert.is_finite() || !target.is_none_or(f64::is_finite) || !ordered {
            return Err(ProfileError::BadThresholds { target, alert });
        }
        Ok(Self {
            target,
            alert,
            direction,
        })
    }

    /// The bound that a healthy reading keeps, if there is one.
    #[must_use]
    pub const fn target(&self) -> Option<f64> {
        self.target
    }

    /// The bound beyond which a reading is an alert.
    #[must_use]
    pub const fn alert(&self) -> f64 {
        self.alert
    }

    /// Which way is better.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The target as the handbook writes it, such as `< 50 ms`; `none` where there is none.
    #[must_use]
    pub fn target_text(&self, unit: Unit) -> String {
        let sign = match self.direction {
            Direction::LowerIsBetter => '<',
            Direction::HigherIsBetter => '>',
        };
        self.target
            .map_or_else(|| "none".to_owned(), |t| format!("{sign} {}", unit.threshold(t)))
    }

    /// The alert threshold as the handbook writes it, such as `> 2,000 ms`.
    #[must_use]
    pub fn alert_text(&self, unit: Unit) -> String {
        let sign = match self.direction {
            Direction::LowerIsBetter => '>',
            Direction::HigherIsBetter => '<',
        };
        format!("{sign} {}", unit.threshold(self.alert))
    }
}

/// How long a band must hold before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// For a band that is worse than the present one.
    pub raise_after: Duration,
    /// For a band that is better than the present one.
    pub clear_after: Duration,
}

/// Everything that the console knows about a metric before it has read it.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    /// Stable name, unique in the profile.
    pub id: MetricId,
    /// Title shown to a person.
    pub title: String,
    /// Id of the group it is shown in.
    pub group: String,
    /// One sentence on what it measures, if the profile gives one.
    pub description: Option<String>,
    /// What kind of series it is made from.
    pub kind: MetricKind,
    /// Unit of its values and thresholds.
    pub unit: Unit,
    /// PromQL that gives an instant vector in `unit`.
    pub query: String,
    /// A plain series selector; the age of its newest sample is the age of the reading.
    pub freshness: Option<String>,
    /// Target and alert threshold.
    pub thresholds: Thresholds,
    /// The label that names the members of a vector (such as `pod`); the worst member decides. `None` for a
    /// metric that is one number.
    pub series_label: Option<String>,
    /// A reading older than this is unknown.
    pub stale_after: Duration,
    /// How long a band must hold before it counts.
    pub debounce: Debounce,
    /// Name of the alert rule on this metric.
    pub rule: Option<String>,
    /// Path or URL of the runbook.
    pub runbook: Option<String>,
    /// The guarded actions that can help when it is not well.
    pub actions: Vec<ActionKind>,
    /// Id of the Grafana dashboard that shows more.
    pub grafana: Option<u32>,
    /// Where a chart's axis ends if no value goes beyond it.
    pub range_max: Option<f64>,
}

/// A group of metrics, in the order in which groups are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricGroup {
    /// Stable name.
    pub id: String,
    /// Title shown to a person.
    pub title: String,
}

/// A set of metrics in groups: what the console watches.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    id: String,
    title: String,
    groups: Vec<MetricGroup>,
    metrics: Vec<MetricSpec>,
}

impl Profile {
    /// Checks and builds a profile.
    ///
    /// # Errors
    /// [`ProfileError::Duplicate`] for two metrics or two groups of one id, [`ProfileError::UnknownGroup`] for
    /// a metric in a group that is not there, [`ProfileError::Empty`] when there is no metric at all.
    pub fn new(
        id: String,
        title: String,
        groups: Vec<MetricGroup>,
        metrics: Vec<MetricSpec>,
    ) -> Result<Self, ProfileError> {
        if metrics.is_empty() {
            return Err(ProfileError::Empty);
        }
        let mut seen = HashSet::new();
        for name in groups.iter().map(|g| &g.id) {
            if !seen.insert(name.as_str()) {
                return Err(ProfileError::Duplicate { name: name.clone() });
            }
        }
        let mut ids = HashSet::new();
        for metric in &metrics {
            if !ids.insert(metric.id.as_str()) {
                return Err(ProfileError::Duplicate {
                    name: metric.id.to_string(),
                });
            }
            if !seen.contains(metric.group.as_str()) {
                return Err(ProfileError::UnknownGroup {
                    metric: metric.id.to_string(),
                    group: metric.group.clone(),
                });
            }
        }
        Ok(Self {
            id,
            title,
            groups,
            metrics,
        })
    }

    /// Stable name of the profile.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Title shown to a person: the name of the system that is watched.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Groups in the order in which they are shown.
    #[must_use]
    pub fn groups(&self) -> &[MetricGroup] {
        &self.groups
    }

    /// Metrics in the order in which they are configured.
    #[must_use]
    pub fn metrics(&self) -> &[MetricSpec] {
        &self.metrics
    }

    /// One metric by its name.
    #[must_use]
    pub fn metric(&self, id: &str) -> Option<&MetricSpec> {
        self.metrics.iter().find(|m| m.id.as_str() == id)
    }
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// A metric id with characters that cannot stand in a URL.
    #[error("metric id {name:?} is not usable: use 1 to 64 lower-case letters, digits and underscores")]
    BadId {
        /// The id as given.
        name: String,
    },
    /// Thresholds that contradict each other.
    #[error(
        "target {target:?} and alert {alert} contradict each other: the target must be on the healthy side of the alert, and both must be finite"
    )]
    BadThresholds {
        /// The target as given.
        target: Option<f64>,
        /// The alert as given.
        alert: f64,
    },
    /// Two groups or two metrics with one name.
    #[error("the id {name:?} is used twice: give each group and each metric an id of its own")]
    Duplicate {
        /// The id that is used twice.
        name: String,
    },
    /// A metric in a group that does not exist.
    #[error("metric {metric} belongs to group {group:?}, which does not exist: add a [[group]] with that id")]
    UnknownGroup {
        /// The metric.
        metric: String,
        /// The group it names.
        group: String,
    },
    /// No metric at all.
    #[error("the profile has no metric: add at least one [[metric]]")]
    Empty,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!(Unit::Milliseconds.text(42.123), "42.1 ms");
        assert_eq!(Unit::Milliseconds.text(2_485.4), "2,485 ms");
        assert_eq!(Unit::Percent.text(0.0), "0 %");
        assert_eq!(Unit::Percent.text(0.057), "0.06 %");
        assert_eq!(Unit::Count.text(5_001.0), "5,001");
        assert_eq!(Unit::PerSecond.text(40_000.4), "40,000 /s");
        assert_eq!(Unit::Usd.text(3.5), "$3.50");
        assert_eq!(Unit::Usd.text(1_234.5), "$1,234");
        assert_eq!(Unit::Percent.text(-0.001), "0.00 %");
        assert_eq!(Unit::Percent.text(f64::NAN), "– %");
    }

    #[test]
    fn thresholds_read_as_in_the_handbook() {
        let t = Thresholds::new(Some(0.1), 1.0, Direction::LowerIsBetter).unwrap();
        assert_eq!(
            (t.target_text(Unit::Percent), t.alert_text(Unit::Percent)),
            ("< 0.1 %".into(), "> 1 %".into())
        );
        let t = Thresholds::new(Some(90.0), 80.0, Direction::HigherIsBetter).unwrap();
        assert_eq!(
            (t.target_text(Unit::Percent), t.alert_text(Unit::Percent)),
            ("> 90 %".into(), "< 80 %".into())
        );
        let t = Thresholds::new(None, 40_000.0, Direction::LowerIsBetter).unwrap();
        assert_eq!(
            (t.target_text(Unit::PerSecond), t.alert_text(Unit::PerSecond)),
            ("none".into(), "> 40,000 /s".into())
        );
        let t = Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap();
        assert_eq!(t.alert_text(Unit::Usd), "> $100");
    }

    #[test]
    fn a_target_beyond_the_alert_does_not_construct() {
        assert!(Thresholds::new(Some(101.0), 100.0, Direction::LowerIsBetter).is_err());
        assert!(Thresholds::new(Some(79.0), 80.0, Direction::HigherIsBetter).is_err());
        assert!(Thresholds::new(Some(f64::NAN), 80.0, Direction::HigherIsBetter).is_err());
        assert!(Thresholds::new(None, f64::INFINITY, Direction::LowerIsBetter).is_err());
    }

    #[test]
    fn ids_fit_into_urls() {
        assert!(MetricId::new("api_latency_p99").is_ok());
        for bad in ["", "API", "a-b", "a b", "a/b", &"x".repeat(65)] {
            assert!(MetricId::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn grouping_loses_no_digit(n in 0u64..1_000_000_000_000) {
            prop_assert_eq!(group_thousands(&n.to_string()).replace(',', ""), n.to_string());
        }
    }
}
