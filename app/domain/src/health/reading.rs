//! From samples to an assessment.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Band, Direction, MetricSpec, assess_value};

/// A value that may be believed: finite, with its time, and the member of the vector that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// In the metric's unit; always finite.
    pub value: f64,
    /// The worst member's name where the metric is a vector.
    pub member: Option<String>,
    /// When the underlying series was last sampled.
    pub sampled_at: OffsetDateTime,
}

/// What a poll brought for one metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A value and its time.
    Measured(Measured),
    /// Nothing that can be used, and why.
    Missing(UnknownReason),
}

/// Why a metric is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum UnknownReason {
    /// The console has just started.
    NotYetRead,
    /// The source answered, but has no series for the query.
    NoData,
    /// The source answered with NaN or an infinity: usually a division by zero, as with no traffic.
    NotANumber,
    /// The newest sample is older than the limit.
    Stale {
        /// Age of the newest sample, in seconds.
        age_s: i64,
    },
    /// The newest sample lies in the future by more than the limit: clocks disagree.
    FromTheFuture {
        /// How far ahead, in seconds.
        ahead_s: i64,
    },
    /// The source did not answer.
    SourceDown,
    /// The source refused the query.
    QueryRefused,
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYetRead => f.write_str("not read yet"),
            Self::NoData => f.write_str("no data: the query returned no series"),
            Self::NotANumber => f.write_str("not a number: nothing to measure, such as no traffic"),
            Self::Stale { age_s } => write!(f, "stale: the last sample is {age_s} s old"),
            Self::FromTheFuture { ahead_s } => write!(f, "clocks disagree: the sample is {ahead_s} s ahead"),
            Self::SourceDown => f.write_str("source down: Prometheus does not answer"),
            Self::QueryRefused => f.write_str("query refused by Prometheus"),
        }
    }
}

/// Band and reason of one reading at one instant, before debouncing.
#[derive(Debug, Clone, PartialEq)]
pub enum Assessment {
    /// A believable value in a band that is not `Unknown`.
    Known {
        /// `Ok`, `Degraded` or `Alert`.
        band: Band,
        /// The value it rests on.
        measured: Measured,
    },
    /// Nothing believable.
    Unknown {
        /// Why.
        reason: UnknownReason,
    },
}

impl Assessment {
    /// The band, `Unknown` included.
    #[must_use]
    pub const fn band(&self) -> Band {
        match self {
            Self::Known { band, .. } => *band,
            Self::Unknown { .. } => Band::Unknown,
        }
    }

    /// The value it rests on, if it is known.
    #[must_use]
    pub const fn measured(&self) -> Option<&Measured> {
        match self {
            Self::Known { measured, .. } => Some(measured),
            Self::Unknown { .. } => None,
        }
    }
}

/// Judges a reading at `now`. Staleness counts on both sides: a sample far in the future is not believed either.
#[must_use]
pub fn assess(reading: &Reading, spec: &MetricSpec, now: OffsetDateTime) -> Assessment {
    let measured = match reading {
        Reading::Missing(reason) => {
            return Assessment::Unknown {
                reason: reason.clone(),
            };
        }
        Reading::Measured(measured) => measured,
    };
    let age = now - measured.sampled_at;
    let limit = spec.stale_after;
    if age > limit {
        return Assessment::Unknown {
            reason: UnknownReason::Stale {
                age_s: age.whole_seconds(),
            },
        };
    }
    if age.is_negative() && age.unsigned_abs() > limit {
        return Assessment::Unknown {
            reason: UnknownReason::FromTheFuture {
                ahead_s: -age.whole_seconds(),
            },
        };
    }
    match assess_value(measured.value, &spec.thresholds) {
        Band::Unknown => Assessment::Unknown {
            reason: UnknownReason::NotANumber,
        },
        band @ (Band::Ok | Band::Degraded | Band::Alert) => Assessment::Known {
            band,
            measured: measured.clone(),
        },
    }
}

/// Reduces the members of a vector to the one that decides: the worst. A member that is not a number outranks
/// every healthy one (nobody can say how that pod is), but never hides a member that is beyond its alert.
///
/// `members` are (name, value) pairs; names are kept only if the metric is a vector.
#[must_use]
pub fn reduce_worst(
    members: impl IntoIterator<Item = (Option<String>, f64)>,
    spec: &MetricSpec,
    sampled_at: OffsetDateTime,
) -> Reading {
    let worse = |a: f64, b: f64| match spec.thresholds.direction() {
        Direction::LowerIsBetter => a > b,
        Direction::HigherIsBetter => a < b,
    };
    let mut worst: Option<(Option<String>, f64)> = None;
    let mut not_a_number = false;
    for (name, value) in members {
        if !value.is_finite() {
            not_a_number = true;
            continue;
        }
        if worst.as_ref().is_none_or(|(_, w)| worse(value, *w)) {
            worst = Some((name, value));
        }
    }
    match worst {
        None if not_a_number => Reading::Missing(UnknownReason::NotANumber),
        None => Reading::Missing(UnknownReason::NoData),
        Some((_, value)) if not_a_number && assess_value(value, &spec.thresholds) != Band::Alert => {
            Reading::Missing(UnknownReason::NotANumber)
        }
        Some((name, value)) => {
            let member = if spec.series_label.is_some() { name } else { None };
            Reading::Measured(Measured {
                value,
                member,
                sampled_at,
            })
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use time::macros::datetime;

    use super::{
        super::{Debounce, MetricId, MetricKind, Thresholds, Unit},
        *,
    };

    pub fn spec() -> MetricSpec {
        MetricSpec {
            id: MetricId::new("cpu_per_pod").unwrap(),
            title: "CPU".into(),
            group: "pods".into(),
            description: None,
            kind: MetricKind::Gauge,
            unit: Unit::Percent,
            query: "up".into(),
            freshness: None,
            thresholds: Thresholds::new(Some(60.0), 80.0, Direction::LowerIsBetter).unwrap(),
            series_label: Some("pod".into()),
            stale_after: Duration::from_secs(30),
            debounce: Debounce {
                raise_after: Duration::from_secs(10),
                clear_after: Duration::from_secs(20),
            },
            rule: None,
            runbook: None,
            actions: Vec::new(),
            grafana: None,
            range_max: None,
        }
    }

    const T0: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn measured(value: f64) -> Reading {
        Reading::Measured(Measured {
            value,
            member: None,
            sampled_at: T0,
        })
    }

    #[test]
    fn a_stale_value_is_never_healthy() {
        let fresh = assess(&measured(1.0), &spec(), T0 + Duration::from_secs(30));
        assert_eq!(fresh.band(), Band::Ok);
        let stale = assess(&measured(1.0), &spec(), T0 + Duration::from_secs(31));
        assert_eq!(
            stale,
            Assessment::Unknown {
                reason: UnknownReason::Stale { age_s: 31 }
            }
        );
        let ahead = assess(&measured(1.0), &spec(), T0 - Duration::from_secs(31));
        assert_eq!(
            ahead,
            Assessment::Unknown {
                reason: UnknownReason::FromTheFuture { ahead_s: 31 }
            }
        );
    }

    #[test]
    fn the_worst_pod_decides_and_is_named() {
        let members = [("a", 10.0), ("b", 85.0), ("c", 70.0)].map(|(n, v)| (Some(n.to_owned()), v));
        let Reading::Measured(m) = reduce_worst(members, &spec(), T0) else {
            panic!("no reading")
        };
        assert_eq!((m.member.as_deref(), m.value), (Some("b"), 85.0));
    }

    #[test]
    fn a_pod_without_a_number_does_not_hide_behind_healthy_ones() {
        let members = [(Some("a".to_owned()), 10.0), (Some("b".to_owned()), f64::NAN)];
        assert_eq!(
            reduce_worst(members, &spec(), T0),
            Reading::Missing(UnknownReason::NotANumber)
        );
        let members = [(Some("a".to_owned()), 95.0), (Some("b".to_owned()), f64::NAN)];
        assert!(matches!(reduce_worst(members, &spec(), T0), Reading::Measured(m) if m.value == 95.0));
        assert_eq!(
            reduce_worst([], &spec(), T0),
            Reading::Missing(UnknownReason::NoData)
        );
    }

    proptest! {
        #[test]
        fn no_member_is_worse_than_the_one_named(values in proptest::collection::vec(-1e3f64..1e3, 1..20), higher: bool) {
            let mut spec = spec();
            if higher {
                spec.thresholds = Thresholds::new(Some(90.0), 80.0, Direction::HigherIsBetter).unwrap();
            }
            let members = values.iter().enumerate().map(|(i, v)| (Some(i.to_string()), *v));
            let Reading::Measured(worst) = reduce_worst(members, &spec, T0) else { panic!("no reading") };
            let worst_band = assess_value(worst.value, &spec.thresholds).urgency();
            for v in values {
                prop_assert!(assess_value(v, &spec.thresholds).urgency() <= worst_band);
            }
        }
    }
}
