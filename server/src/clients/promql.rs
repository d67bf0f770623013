//! Composes the few queries with which a poll asks for all metrics, and takes their answer apart again. Pure.
//!
//! Each metric contributes `label_replace((<query>), "quarterdeck_metric", "<id>", "", "")`, which marks its
//! samples with its id, and the time of its newest raw sample, marked in the same way with
//! `quarterdeck_freshness`. The terms are joined by `or`, which loses nothing, because no two terms share a
//! label set.
//!
//! **Freshness of a vector's members.** The newest sample overall would let one living pod vouch for a frozen
//! one; the oldest would make the whole metric unknown for five minutes each time a pod goes whose series
//! have no staleness markers (cAdvisor sends its own timestamps, and then Prometheus writes none). So each
//! member has its own: one that is over the limit counts as gone, just as a staleness marker would have it,
//! while any other is fresh; if all are over it, the metric is stale.

use std::collections::BTreeMap;

use quarterdeck_domain::health::{MetricId, MetricSpec, Reading, UnknownReason, reduce_worst};
use time::OffsetDateTime;

use super::{
    prometheus::{Labels, Sample},
    prometheus_answer::instant_of,
};

/// The label that marks a value with its metric's id.
pub const METRIC_LABEL: &str = "quarterdeck_metric";
/// The label that marks the time of a metric's newest raw sample, Unix seconds.
pub const FRESHNESS_LABEL: &str = "quarterdeck_freshness";

/// One query for several metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Union {
    /// PromQL.
    pub query: String,
    /// The metrics that it asks for, in order.
    pub metrics: Vec<MetricId>,
}

/// Joins the queries of `metrics` into as few as `max_bytes` allows. A metric that is longer by itself gets a
/// query of its own.
#[must_use]
pub fn unions<'a>(metrics: impl IntoIterator<Item = &'a MetricSpec>, max_bytes: usize) -> Vec<Union> {
    let mut unions: Vec<Union> = Vec::new();
    for spec in metrics {
        let terms = terms(spec);
        match unions.last_mut() {
            Some(last) if last.query.len() + OR.len() + terms.len() <= max_bytes => {
                last.query.push_str(OR);
                last.query.push_str(&terms);
                last.metrics.push(spec.id.clone());
            }
            Some(_) | None => unions.push(Union {
                query: terms,
                metrics: vec![spec.id.clone()],
            }),
        }
    }
    unions
}

const OR: &str = "\nor ";

/// The query of one metric, marked, with its freshness.
#[must_use]
pub fn terms(spec: &MetricSpec) -> String {
    let mark = |inner: &str, label: &str| {
        // The line ends before the bracket, so that a comment at a query's end does not swallow it.
        format!(
            "label_replace(({inner}\n), \"{label}\", \"{}\", \"\", \"\")",
            spec.id
        )
    };
    let value = mark(&spec.query, METRIC_LABEL);
    let Some(selector) = &spec.freshness else {
        return value;
    };
    let newest = match &spec.series_label {
        Some(label) => format!("max by ({label}) (timestamp({selector}))"),
        None => format!("max(timestamp({selector}))"),
    };
    format!("{value}{OR}{}", mark(&newest, FRESHNESS_LABEL))
}

/// What an answer holds of one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered {
    values: Vec<Value>,
    /// Time of the newest raw sample, by member.
    newest: BTreeMap<Option<String>, OffsetDateTime>,
}

impl Answered {
    /// Whether the `freshness` selector found any series.
    #[must_use]
    pub fn has_raw_samples(&self) -> bool {
        !self.newest.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Value {
    member: Option<String>,
    value: f64,
    evaluated_at: OffsetDateTime,
}

/// Sorts samples by the metric that they are marked with. `spec` finds a metric; samples of none are left
/// out.
pub fn sort_out<'a>(
    samples: Vec<Sample>,
    spec: impl Fn(&str) -> Option<&'a MetricSpec>,
) -> BTreeMap<MetricId, Answered> {
    let mut answered: BTreeMap<MetricId, Answered> = BTreeMap::new();
    for sample in samples {
        let marked = |label: &str| sample.labels.get(label).and_then(|id| spec(id));
        if let Some(spec) = marked(METRIC_LABEL) {
            let member = member_of(&sample.labels, spec);
            let value = Value {
                member,
                value: sample.value,
                evaluated_at: sample.at,
            };
            answered.entry(spec.id.clone()).or_default().values.push(value);
        } else if let Some(spec) = marked(FRESHNESS_LABEL)
            && let Some(time) = instant_of(sample.value)
        {
            let newest = &mut answered.entry(spec.id.clone()).or_default().newest;
            let kept = newest.entry(member_of(&sample.labels, spec)).or_insert(time);
            *kept = time.max(*kept);
        }
    }
    answered
}

fn member_of(labels: &Labels, spec: &MetricSpec) -> Option<String> {
    spec.series_label
        .as_ref()
        .and_then(|label| labels.get(label))
        .cloned()
}

/// One metric's reading, and its members by name (a name that occurs twice has its worse value) where it is a
/// vector.
///
/// Without a `freshness` selector the reading is as old as its evaluation, so that it can't be seen to be
/// stale. With one that finds no series there is no data, whatever the query says: `vector(0)` is not a
/// measurement.
#[must_use]
pub fn reading(spec: &MetricSpec, answered: Answered) -> (Reading, Vec<(String, f64)>) {
    let Answered { mut values, newest } = answered;
    let overall = newest.values().max().copied();
    if spec.freshness.is_some() && overall.is_none() {
        return (Reading::Missing(UnknownReason::NoData), Vec::new());
    }
    let sampled_at = |member: &Option<String>, evaluated_at: OffsetDateTime| {
        newest.get(member).copied().or(overall).unwrap_or(evaluated_at)
    };
    // Both times are the engine's, so that a console whose clock is off still tells the living from the dead.
    let lives = |v: &Value| v.evaluated_at - sampled_at(&v.member, v.evaluated_at) <= spec.stale_after;
    if values.iter().any(lives) {
        values.retain(lives);
    }
    let newest_of_all = values.iter().map(|v| sampled_at(&v.member, v.evaluated_at)).max();
    let pairs = values.iter().map(|v| (v.member.clone(), v.value));
    let mut reading = match newest_of_all {
        Some(sampled_at) => reduce_worst(pairs, spec, sampled_at),
        None => Reading::Missing(UnknownReason::NoData),
    };
    // The worst member stands for the metric: its own time counts.
    if let Reading::Measured(measured) = &mut reading
        && let Some(own) = newest.get(&measured.member)
    {
        measured.sampled_at = *own;
    }
    (reading, by_name(spec, values))
}

/// Members by name. Of two with one name the worse is kept, as in the reading itself.
fn by_name(spec: &MetricSpec, values: Vec<Value>) -> Vec<(String, f64)> {
    use quarterdeck_domain::health::Direction;
    let worse = |a: f64, b: f64| match spec.thresholds.direction() {
        _ if a.is_nan() => false,
        _ if b.is_nan() => true,
        Direction::LowerIsBetter => a > b,
        Direction::HigherIsBetter => a < b,
    };
    let mut members: BTreeMap<String, f64> = BTreeMap::new();
    for Value { member, value, .. } in values {
        let Some(name) = member else { continue };
        let kept = members.entry(name).or_insert(value);
        if worse(value, *kept) {
            *kept = value;
        }
    }
    members.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use quarterdeck_domain::health::Profile;
    use time::macros::datetime;

    use super::*;
    use crate::config::profile::ProfileConfig;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn profile() -> Profile {
        ProfileConfig::default().load().unwrap()
    }

    fn spec(id: &str) -> MetricSpec {
        profile().metric(id).unwrap().clone()
    }

    fn sample(label: &str, id: &str, pod: Option<&str>, value: f64) -> Sample {
        let mut labels = Labels::from([(label.to_owned(), id.to_owned())]);
        labels.extend(pod.map(|pod| ("pod".to_owned(), pod.to_owned())));
        Sample {
            labels,
            value,
            at: NOW,
        }
    }

    fn fresh(id: &str, pod: Option<&str>, age_s: i64) -> Sample {
        #[expect(clippy::cast_precision_loss)]
        let seconds = (NOW.unix_timestamp() - age_s) as f64;
        sample(FRESHNESS_LABEL, id, pod, seconds)
    }

    fn read(id: &str, samples: Vec<Sample>) -> (Reading, Vec<(String, f64)>) {
        let profile = profile();
        let answered = sort_out(samples, |id| profile.metric(id))
            .remove(&spec(id).id)
            .unwrap_or_default();
        reading(&spec(id), answered)
    }

    fn measured(reading: Reading) -> (f64, Option<String>, i64) {
        let Reading::Measured(m) = reading else {
            panic!("{reading:?}")
        };
        (m.value, m.member, (NOW - m.sampled_at).whole_seconds())
    }

    #[test]
    fn the_whole_profile_fits_into_one_query() {
        let profile = profile();
        let unions = unions(profile.metrics(), 15_000);
        assert_eq!(unions.len(), 1);
        let ids: Vec<_> = profile.metrics().iter().map(|m| m.id.clone()).collect();
        assert_eq!(unions[0].metrics, ids);
    }

    #[test]
    fn a_term_carries_its_mark_and_its_freshness() {
        let mut one = spec("redis_ops");
        (one.query, one.freshness) = ("sum(x) # all".into(), Some("x".into()));
        assert_eq!(
            terms(&one),
            "label_replace((sum(x) # all\n), \"quarterdeck_metric\", \"redis_ops\", \"\", \"\")\nor label_replace((max(timestamp(x))\n), \"quarterdeck_freshness\", \"redis_ops\", \"\", \"\")"
        );
        assert!(terms(&spec("node_heap")).contains("max by (pod) (timestamp(nodejs_heap_size_used_bytes))"));
    }

    #[test]
    fn the_age_is_that_of_the_raw_sample() {
        let samples = vec![
            sample(METRIC_LABEL, "redis_ops", None, 7.0),
            fresh("redis_ops", None, 12),
        ];
        assert_eq!(measured(read("redis_ops", samples).0), (7.0, None, 12));
    }

    #[test]
    fn a_value_without_any_raw_sample_is_no_data() {
        let only_value = vec![sample(METRIC_LABEL, "api_error_rate", None, 0.0)];
        assert_eq!(
            read("api_error_rate", only_value).0,
            Reading::Missing(UnknownReason::NoData)
        );
        let only_fresh = vec![fresh("api_error_rate", None, 1)];
        assert_eq!(
            read("api_error_rate", only_fresh).0,
            Reading::Missing(UnknownReason::NoData)
        );
        let mangled = vec![
            sample(METRIC_LABEL, "api_error_rate", None, 0.0),
            sample(FRESHNESS_LABEL, "api_error_rate", None, f64::NAN),
        ];
        assert_eq!(
            read("api_error_rate", mangled).0,
            Reading::Missing(UnknownReason::NoData)
        );
    }

    #[test]
    fn without_a_selector_the_evaluation_counts() {
        let mut spec = spec("redis_ops");
        spec.freshness = None;
        let samples = vec![sample(METRIC_LABEL, "redis_ops", None, 7.0)];
        let answered = sort_out(samples, |_| Some(&spec)).remove(&spec.id).unwrap();
        assert_eq!(measured(reading(&spec, answered).0), (7.0, None, 0));
    }

    #[test]
    fn a_dead_pod_neither_decides_nor_is_vouched_for() {
        let id = "memory_per_pod";
        let mut samples = vec![
            sample(METRIC_LABEL, id, Some("alive"), 40.0),
            sample(METRIC_LABEL, id, Some("dead"), 99.0),
            fresh(id, Some("alive"), 3),
            fresh(id, Some("dead"), 200),
        ];
        let (reading, members) = read(id, samples.clone());
        assert_eq!(measured(reading), (40.0, Some("alive".into()), 3));
        assert_eq!(members, [("alive".to_owned(), 40.0)]);
        // When all are old, the metric is as old as its worst member, which makes it stale.
        samples[2] = fresh(id, Some("alive"), 190);
        assert_eq!(measured(read(id, samples).0), (99.0, Some("dead".into()), 200));
    }

    #[test]
    fn of_two_members_with_one_name_the_worse_counts() {
        let id = "node_heap";
        let samples = vec![
            sample(METRIC_LABEL, id, Some("a"), 10.0),
            sample(METRIC_LABEL, id, Some("a"), 90.0),
            sample(METRIC_LABEL, id, Some("b"), 50.0),
            fresh(id, Some("a"), 1),
            fresh(id, Some("b"), 1),
        ];
        let (reading, members) = read(id, samples);
        assert_eq!(measured(reading), (90.0, Some("a".into()), 1));
        assert_eq!(members, [("a".to_owned(), 90.0), ("b".to_owned(), 50.0)]);
    }

    #[test]
    fn a_selector_without_the_members_label_vouches_for_all() {
        let id = "node_heap";
        let samples = vec![sample(METRIC_LABEL, id, Some("a"), 10.0), fresh(id, None, 5)];
        assert_eq!(measured(read(id, samples).0), (10.0, Some("a".into()), 5));
    }

    proptest! {
        /// Every metric is asked for exactly once, in order, and no query is over the limit unless one metric
        /// is by itself.
        #[test]
        fn unions_hold_each_metric_once(limit in 1usize..12_000) {
            let profile = profile();
            let unions = unions(profile.metrics(), limit);
            let asked: Vec<_> = unions.iter().flat_map(|u| u.metrics.clone()).collect();
            let ids: Vec<_> = profile.metrics().iter().map(|m| m.id.clone()).collect();
            prop_assert_eq!(asked, ids);
            for union in unions {
                prop_assert!(union.query.len() <= limit || union.metrics.len() == 1);
            }
        }

        /// While any member is fresh, the reading is fresh, and its value is that of a fresh member.
        #[test]
        fn a_fresh_member_makes_a_fresh_reading(ages in proptest::collection::vec(0i64..100, 1..8)) {
            let id = "node_heap";
            let mut samples = Vec::new();
            for (i, age) in ages.iter().enumerate() {
                #[expect(clippy::cast_precision_loss)]
                samples.push(sample(METRIC_LABEL, id, Some(&i.to_string()), *age as f64));
                samples.push(fresh(id, Some(&i.to_string()), *age));
            }
            let (_, _, age) = measured(read(id, samples).0);
            let limit = spec(id).stale_after;
            prop_assert_eq!(Duration::from_secs(age.unsigned_abs()) <= limit, ages.iter().any(|a| Duration::from_secs(a.unsigned_abs()) <= limit));
        }
    }
}
