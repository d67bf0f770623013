//! From what Prometheus and Alertmanager say to the alerts that a person sees. Pure.
//!
//! Prometheus says what is pending and what fires; Alertmanager says what of it is silenced or inhibited. An
//! Alertmanager is never asked in Prometheus' stead: minutes after Prometheus dies it calls everything
//! resolved. Without an Alertmanager whatever fires is shown as firing.

use std::cmp::Reverse;

use quarterdeck_app::view::estate::{AlertView, AlertsView};
use quarterdeck_domain::{
    action::ActionKind,
    alert::{AlertState, Severity},
    health::Profile,
};
use time::OffsetDateTime;

use crate::clock::unix_ms;

use super::{
    alertmanager::AlertmanagerAlert,
    http_source::SourceError,
    prometheus::{Labels, PrometheusAlert},
};

/// Labels that are shown elsewhere, and so left out of what tells an alert apart.
const SHOWN_ELSEWHERE: [&str; 3] = ["alertname", "severity", "metric"];

/// The alerts as of this poll. `alertmanager` is `None` where there is none or it does not answer; `previous`
/// is what the last poll said, and is kept as "last known" while Prometheus is down.
///
/// An alert belongs to the metric that its `metric` label names, or else to the one whose `rule` has its
/// name; it has that metric's runbook and actions if it brings none itself (the annotations `runbook_url` or `runbook`, and
/// `quarterdeck_actions`).
#[must_use]
pub fn merge(
    prometheus: &Result<Vec<PrometheusAlert>, SourceError>,
    alertmanager: Option<&[AlertmanagerAlert]>,
    profile: &Profile,
    previous: &AlertsView,
    now: OffsetDateTime,
) -> AlertsView {
    let Ok(alerts) = prometheus else {
        return unknown(previous, now);
    };
    let held = alertmanager.unwrap_or_default();
    let mut alerts: Vec<AlertView> = alerts.iter().map(|alert| view(alert, held, profile)).collect();
    alerts.sort_by(|a, b| {
        // Information, the dead-man's switch first of all, is always there: it comes last.
        let key = |v: &AlertView| (v.severity == Severity::Info, v.state.rank(), Reverse(v.severity));
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)))
    });
    AlertsView::Known { alerts }
}

fn unknown(previous: &AlertsView, now: OffsetDateTime) -> AlertsView {
    match previous {
        AlertsView::Known { alerts } => AlertsView::Unknown {
            last_known: alerts.clone(),
            since_ms: Some(unix_ms(now)),
        },
        AlertsView::Unknown { .. } => previous.clone(),
    }
}

fn view(alert: &PrometheusAlert, held: &[AlertmanagerAlert], profile: &Profile) -> AlertView {
    let label = |name: &str| alert.labels.get(name).map(String::as_str);
    let name = label("alertname").unwrap_or("(alert without a name)");
    let metric = label("metric")
        .and_then(|id| profile.metric(id))
        .or_else(|| profile.metrics().iter().find(|m| m.rule.as_deref() == Some(name)));
    let annotation = |name: &str| {
        alert
            .annotations
            .get(name)
            .filter(|text| !text.trim().is_empty())
            .cloned()
    };
    let state = match alert.state {
        AlertState::Pending => AlertState::Pending,
        AlertState::Firing | AlertState::Silenced | AlertState::Inhibited => state_of(&alert.labels, held),
    };
    AlertView {
        name: name.to_owned(),
        severity: Severity::from_label(label("severity")),
        state,
        active_since_ms: unix_ms(alert.active_at),
        summary: annotation("summary")
            .or_else(|| annotation("description"))
            .unwrap_or_else(|| name.to_owned()),
        labels: labels_text(&alert.labels),
        metric: metric.map(|m| m.id.to_string()),
        runbook: annotation("runbook_url")
            .or_else(|| annotation("runbook"))
            .or_else(|| metric.and_then(|m| m.runbook.clone())),
        actions: annotation("quarterdeck_actions").map_or_else(
            || metric.map(|m| m.actions.clone()).unwrap_or_default(),
            |text| kinds(&text),
        ),
    }
}

/// The kinds of actions that a text names, with commas between them. Names that mean none are left out: a rule may be for a
/// later version.
fn kinds(text: &str) -> Vec<ActionKind> {
    text.split(',')
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// What Alertmanager has made of an alert. On their way there alerts gain external labels, so of those that
/// hold all of its labels the ones with the fewest others are its own. If there are several (a Prometheus in
/// two replicas), it counts as suppressed only if all are: a firing alert is never hidden by a doubt.
fn state_of(labels: &Labels, held: &[AlertmanagerAlert]) -> AlertState {
    let holds_all = |other: &&AlertmanagerAlert| labels.iter().all(|(k, v)| other.labels.get(k) == Some(v));
    let own: Vec<&AlertmanagerAlert> = held.iter().filter(holds_all).collect();
    let Some(fewest) = own.iter().map(|a| a.labels.len()).min() else {
        return AlertState::Firing;
    };
    own.iter()
        .filter(|a| a.labels.len() == fewest)
        .map(|a| a.state)
        .min_by_key(|state| state.rank())
        .unwrap_or(AlertState::Firing)
}

fn labels_text(labels: &Labels) -> String {
    let shown = labels
        .iter()
        .filter(|(name, _)| !SHOWN_ELSEWHERE.contains(&name.as_str()));
    shown
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::config::profile::ProfileConfig;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);
    const NOTHING: AlertsView = AlertsView::Unknown {
        last_known: Vec::new(),
        since_ms: None,
    };

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn alert(pairs: &[(&str, &str)], state: AlertState) -> PrometheusAlert {
        PrometheusAlert {
            labels: labels(pairs),
            annotations: Labels::new(),
            state,
            active_at: NOW,
        }
    }

    fn held(pairs: &[(&str, &str)], state: AlertState) -> AlertmanagerAlert {
        AlertmanagerAlert {
            labels: labels(pairs),
            state,
        }
    }

    fn merged(alerts: Vec<PrometheusAlert>, held: Option<&[AlertmanagerAlert]>) -> Vec<AlertView> {
        let profile = ProfileConfig::default().load().unwrap();
        let AlertsView::Known { alerts } = merge(&Ok(alerts), held, &profile, &NOTHING, NOW) else {
            panic!("not known")
        };
        alerts
    }

    #[test]
    fn silences_are_found_through_external_labels() {
        let fires = || vec![alert(&[("alertname", "A"), ("pod", "1")], AlertState::Firing)];
        let silenced = held(
            &[("alertname", "A"), ("pod", "1"), ("cluster", "eu")],
            AlertState::Silenced,
        );
        let other = held(
            &[("alertname", "A"), ("pod", "2"), ("cluster", "eu")],
            AlertState::Silenced,
        );
        assert_eq!(
            merged(fires(), Some(&[other.clone(), silenced]))[0].state,
            AlertState::Silenced
        );
        assert_eq!(merged(fires(), Some(&[other]))[0].state, AlertState::Firing);
        assert_eq!(merged(fires(), None)[0].state, AlertState::Firing);
    }

    #[test]
    fn a_silence_on_a_narrower_alert_does_not_cover_the_wider_one() {
        let fires = vec![alert(&[("alertname", "A")], AlertState::Firing)];
        let narrow = held(
            &[("alertname", "A"), ("cluster", "eu"), ("pod", "1")],
            AlertState::Silenced,
        );
        let own = held(&[("alertname", "A"), ("cluster", "eu")], AlertState::Firing);
        assert_eq!(merged(fires, Some(&[narrow, own]))[0].state, AlertState::Firing);
    }

    #[test]
    fn one_replica_that_fires_is_enough() {
        let fires = vec![alert(&[("alertname", "A")], AlertState::Firing)];
        let replica = |name, state| held(&[("alertname", "A"), ("replica", name)], state);
        let both = [
            replica("a", AlertState::Silenced),
            replica("b", AlertState::Firing),
        ];
        assert_eq!(merged(fires, Some(&both))[0].state, AlertState::Firing);
    }

    #[test]
    fn pending_alerts_stay_pending() {
        let pending = vec![alert(&[("alertname", "A")], AlertState::Pending)];
        let old = held(&[("alertname", "A")], AlertState::Silenced);
        assert_eq!(merged(pending, Some(&[old]))[0].state, AlertState::Pending);
    }

    #[test]
    fn what_fires_and_is_critical_comes_first_and_the_watchdog_counts_for_nothing() {
        let alerts = vec![
            alert(
                &[("alertname", "Watchdog"), ("severity", "none")],
                AlertState::Firing,
            ),
            alert(
                &[("alertname", "Z"), ("severity", "critical")],
                AlertState::Pending,
            ),
            alert(&[("alertname", "B")], AlertState::Firing),
            alert(
                &[("alertname", "C"), ("severity", "critical"), ("pod", "2")],
                AlertState::Firing,
            ),
            alert(
                &[("alertname", "C"), ("severity", "critical"), ("pod", "1")],
                AlertState::Firing,
            ),
        ];
        let view = AlertsView::Known {
            alerts: merged(alerts, None),
        };
        assert_eq!(view.firing(), (3, 2));
        let AlertsView::Known { alerts } = view else {
            panic!("not known")
        };
        let order: Vec<_> = alerts
            .iter()
            .map(|a| format!("{} {}", a.name, a.labels))
            .collect();
        assert_eq!(order, ["C pod=1", "C pod=2", "B ", "Z ", "Watchdog "]);
    }

    #[test]
    fn an_alert_finds_its_metric_and_its_runbook() {
        let mut by_label = alert(
            &[("alertname", "X"), ("metric", "redis_memory")],
            AlertState::Firing,
        );
        by_label.annotations = labels(&[
            ("summary", " "),
            ("description", "full"),
            ("runbook_url", "own.md"),
        ]);
        let by_rule = alert(
            &[("alertname", "HighAPILatency"), ("metric", "no_such_metric")],
            AlertState::Firing,
        );
        let alerts = merged(vec![by_label, by_rule], None);
        assert_eq!(alerts[0].metric.as_deref(), Some("api_latency_p99"));
        assert_eq!(alerts[0].runbook.as_deref(), Some("docs/runbooks/api-latency.md"));
        assert_eq!(
            (alerts[1].metric.as_deref(), alerts[1].summary.as_str()),
            (Some("redis_memory"), "full")
        );
        assert_eq!(alerts[1].runbook.as_deref(), Some("own.md"));
    }

    #[test]
    fn without_prometheus_the_last_known_is_kept_and_dated_once() {
        let profile = ProfileConfig::default().load().unwrap();
        let down = Err(SourceError::Unreachable {
            reason: "refused".into(),
        });
        let fires = Ok(vec![alert(&[("alertname", "A")], AlertState::Firing)]);
        let known = merge(&fires, None, &profile, &NOTHING, NOW);
        let lost = merge(&down, Some(&[]), &profile, &known, NOW);
        let AlertsView::Unknown { last_known, since_ms } = &lost else {
            panic!("known")
        };
        assert_eq!((last_known.len(), *since_ms), (1, Some(1_767_322_800_000)));
        let later = merge(&down, None, &profile, &lost, NOW + time::Duration::MINUTE);
        assert_eq!(later, lost);
        assert_eq!(merge(&fires, None, &profile, &later, NOW), known);
    }

    #[test]
    fn an_alert_has_the_actions_of_its_metric_unless_its_rule_names_others() {
        use ActionKind::{CancelQuery, MaintenanceOn, TerminateLongRunning};
        let mut own = alert(
            &[("alertname", "Own"), ("metric", "db_pool_utilization")],
            AlertState::Firing,
        );
        own.annotations = labels(&[(
            "quarterdeck_actions",
            "cancel_query, of_a_later_version,maintenance_on",
        )]);
        let by_rule = alert(
            &[("alertname", "DatabaseConnectionPoolExhausted")],
            AlertState::Firing,
        );
        let neither = alert(&[("alertname", "Other")], AlertState::Firing);
        let actions: Vec<_> = merged(vec![own, by_rule, neither], None)
            .into_iter()
            .map(|alert| (alert.name, alert.actions))
            .collect();
        let named = |name: &str| &actions.iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!(named("Own"), &[CancelQuery, MaintenanceOn]);
        assert_eq!(named("DatabaseConnectionPoolExhausted"), &[TerminateLongRunning]);
        assert!(named("Other").is_empty());
    }
}
