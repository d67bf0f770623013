//! Whether the PromQL engine answers, each metric's query brings data, and the rules are loaded.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use quarterdeck_domain::health::{Assessment, MetricSpec, Profile, UnknownReason, assess};
use time::OffsetDateTime;

use super::{Finding, skew};
use crate::{
    clients::{PrometheusClient, SourceError, prometheus::LoadedRule, promql},
    clock::Clock,
    config::http_source::HttpSourceConfig,
};

const AREA: &str = "Prometheus";
const METRICS: &str = "Metrics";
const RULES: &str = "Alert rules";

pub(super) async fn check(
    config: &HttpSourceConfig,
    profile: Option<&Profile>,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let client = match PrometheusClient::new(config) {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::fail(
                AREA,
                "can be asked",
                error.to_string(),
                "Correct the [prometheus] section.",
            )];
        }
    };
    let before = clock.now();
    let theirs = match client.clock().await {
        Ok(theirs) => theirs,
        Err(error) => {
            let mend = "Start it, or correct [prometheus] url and its credentials; metrics and rules were not tried.";
            return vec![Finding::fail(AREA, "answers", error.to_string(), mend)];
        }
    };
    let after = clock.now();
    let version = match client.build_info().await {
        Ok(info) => format!("version {}", info.version),
        Err(_) => "it does not tell its version".to_owned(),
    };
    let mut findings = vec![
        Finding::ok(AREA, "answers", version),
        skew::judge(AREA, theirs, before, after),
    ];
    let Some(profile) = profile else { return findings };
    // Held against the engine's own clock: a skew is one finding, not one a metric.
    let asked = profile.metrics().iter().map(|spec| metric(&client, spec, theirs));
    findings.extend(
        stream::iter(asked.collect::<Vec<_>>())
            .buffered(4)
            .collect::<Vec<_>>()
            .await,
    );
    match client.rules().await {
        Ok(loaded) => findings.extend(rules(profile, &loaded)),
        Err(error) => {
            let mend = "Some engines keep rules elsewhere; then metrics are shown without their rule.";
            findings.push(Finding::warn(RULES, "can be listed", error.to_string(), mend));
        }
    }
    findings
}

async fn metric(client: &PrometheusClient, spec: &MetricSpec, now: OffsetDateTime) -> Finding {
    let check = spec.id.as_str();
    let samples = match client.instant(&promql::terms(spec), None).await {
        Ok(samples) => samples,
        Err(SourceError::BadQuery { message }) => {
            let mend = "Correct its query or freshness in the profile; try them in Prometheus' own page.";
            return Finding::fail(METRICS, check, message, mend);
        }
        Err(error) => {
            return Finding::fail(
                METRICS,
                check,
                error.to_string(),
                "Try again once Prometheus answers.",
            );
        }
    };
    let mut sorted = promql::sort_out(samples, |id| (id == check).then_some(spec));
    let answered = sorted.remove(&spec.id).unwrap_or_default();
    let has_series = answered.has_raw_samples() || spec.freshness.is_none();
    let (reading, members) = promql::reading(spec, answered);
    match assess(&reading, spec, now) {
        Assessment::Known { measured, .. } => {
            let age = (now - measured.sampled_at).as_seconds_f64().max(0.0);
            let member = measured
                .member
                .map(|m| format!(" ({m}, of {})", members.len()))
                .unwrap_or_default();
            Finding::ok(
                METRICS,
                check,
                format!("{}{member}, {age:.0} s old", spec.unit.text(measured.value)),
            )
        }
        Assessment::Unknown { reason } => unknown(spec, &reason, has_series),
    }
}

fn unknown(spec: &MetricSpec, reason: &UnknownReason, has_series: bool) -> Finding {
    let check = spec.id.as_str();
    let seen = reason.to_string();
    match reason {
        UnknownReason::NoData if has_series => {
            let mend =
                "Its series are there, but the query finds nothing: compare their labels with the query's.";
            Finding::warn(METRICS, check, seen, mend)
        }
        UnknownReason::NoData => {
            let selector = spec.freshness.as_deref().unwrap_or(&spec.query);
            let mend = format!("Have the exporter scraped that provides {selector}, or correct the profile.");
            Finding::fail(METRICS, check, seen, mend)
        }
        UnknownReason::NotANumber => Finding::warn(
            METRICS,
            check,
            seen,
            "Nothing to mend if there is no traffic just now.",
        ),
        UnknownReason::Stale { .. } => {
            let limit = spec.stale_after.as_secs();
            let mend = format!(
                "Is its target scraped? Set stale_after_s ({limit}) to at least two scrape intervals."
            );
            Finding::fail(METRICS, check, seen, mend)
        }
        UnknownReason::FromTheFuture { .. }
        | UnknownReason::SourceDown
        | UnknownReason::QueryRefused
        | UnknownReason::NotYetRead => {
            Finding::fail(METRICS, check, seen, "Check the clocks of the scraped machines.")
        }
    }
}

/// One finding on the rules that the profile names, one on each rule that fails. Pure.
fn rules(profile: &Profile, loaded: &[LoadedRule]) -> Vec<Finding> {
    let loaded_names: BTreeMap<&str, &LoadedRule> = loaded.iter().map(|r| (r.name.as_str(), r)).collect();
    let named: Vec<&str> = profile
        .metrics()
        .iter()
        .filter_map(|m| m.rule.as_deref())
        .collect();
    let missing: Vec<&str> = named
        .iter()
        .copied()
        .filter(|name| !loaded_names.contains_key(name))
        .collect();
    let check = "of the metrics";
    let mut findings = vec![if missing.is_empty() {
        Finding::ok(
            RULES,
            check,
            format!("all {} are loaded, of {} in all", named.len(), loaded.len()),
        )
    } else {
        let seen = format!(
            "{} of {} are not loaded: {}",
            missing.len(),
            named.len(),
            missing.join(", ")
        );
        Finding::warn(
            RULES,
            check,
            seen,
            "Add deploy/prometheus/rules/*.yml to rule_files in prometheus.yml.",
        )
    }];
    for rule in loaded {
        if let Some(error) = &rule.last_error {
            findings.push(Finding::fail(
                RULES,
                &rule.name,
                error,
                "It cannot fire until its expression is corrected.",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, *};
    use crate::config::profile::ProfileConfig;

    fn rule(name: &str, last_error: Option<&str>) -> LoadedRule {
        LoadedRule {
            name: name.into(),
            group: "g".into(),
            expression: "up".into(),
            for_s: 0,
            state: "inactive".into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            last_error: last_error.map(Into::into),
        }
    }

    #[test]
    fn rules_that_are_missing_or_failing_are_named() {
        let profile = ProfileConfig::default().load().unwrap();
        let mut loaded: Vec<_> = profile
            .metrics()
            .iter()
            .filter_map(|m| m.rule.as_deref())
            .map(|name| rule(name, None))
            .collect();
        let all = rules(&profile, &loaded);
        assert!(
            matches!(
                all.as_slice(),
                [Finding {
                    outcome: Outcome::Ok { .. },
                    ..
                }]
            ),
            "{all:?}"
        );

        loaded.retain(|r| r.name != "RedisMemoryHigh");
        loaded.push(rule("Broken", Some("many-to-many")));
        let findings = rules(&profile, &loaded);
        assert!(
            matches!(&findings[0].outcome, Outcome::Warn { seen, .. } if seen.ends_with("RedisMemoryHigh"))
        );
        assert_eq!(findings[1].check, "Broken");
        assert!(matches!(findings[1].outcome, Outcome::Fail { .. }));
    }
}
