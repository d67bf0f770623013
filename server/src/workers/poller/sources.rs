//! Asks all sources at the same time, and remembers how each of them is.

use std::time::Duration;

use quarterdeck_app::view::estate::{AlertsView, DatabaseNodeView, SourceState, SourceView};
use tokio::time::Instant;

use super::PollerParts;
use crate::{
    clients::{MetricsReader, PollResult, alerts},
    clock::unix_ms,
    config::poller::PollerConfig,
    services::{health::engine::Poll, runbooks},
};

/// What is remembered from poll to poll.
#[derive(Debug)]
pub struct Sources {
    reader: MetricsReader,
    config: PollerConfig,
    /// Polls in a row that Prometheus did not answer.
    failures: u32,
    /// Prometheus is left alone until then.
    ask_again_at: Option<Instant>,
    states: Vec<SourceView>,
    alerts: AlertsView,
    nodes: Vec<DatabaseNodeView>,
}

impl Sources {
    /// Nothing was asked yet.
    #[must_use]
    pub const fn new(reader: MetricsReader, config: PollerConfig) -> Self {
        let alerts = AlertsView::Unknown {
            last_known: Vec::new(),
            since_ms: None,
        };
        Self {
            reader,
            config,
            failures: 0,
            ask_again_at: None,
            states: Vec::new(),
            alerts,
            nodes: Vec::new(),
        }
    }

    /// Whether Prometheus answered when it was last asked.
    #[must_use]
    pub const fn prometheus_answers(&self) -> bool {
        self.failures == 0
    }

    /// Asks everything at once; each source has its own time limit. Never fails: what did not answer is unknown.
    pub async fn ask(&mut self, parts: &PollerParts) -> Poll {
        let now = parts.clock.now();
        let may_ask = self.ask_again_at.is_none_or(|at| Instant::now() >= at);
        let prometheus = async {
            if !may_ask {
                return None;
            }
            let (readings, alerts) = tokio::join!(
                self.reader.read_all(&parts.prometheus, now),
                parts.prometheus.alerts()
            );
            Some((readings, alerts))
        };
        let alertmanager = async {
            match &parts.alertmanager {
                Some(client) => Some(client.alerts().await),
                None => None,
            }
        };
        let nodes = parts.cluster.looked();
        let redis = async {
            match &parts.relay {
                Some(relay) => Some(relay.ping().await),
                None => None,
            }
        };
        let database = tokio::time::timeout(
            Duration::from_secs(3),
            sqlx::query("select 1").execute(&parts.pool),
        );
        let (prometheus, alertmanager, nodes, redis, database) =
            tokio::join!(prometheus, alertmanager, nodes, redis, database);

        let at = parts.clock.now();
        let at_ms = unix_ms(at);
        let mut states = Vec::new();
        let (result, firing) = match prometheus {
            Some((result, firing)) => (Some(result), Some(firing)),
            None => (None, None),
        };
        self.back_off(result.as_ref());
        if let Some(result) = &result {
            parts.metrics.source_read("prometheus", result.failure.is_none());
        }
        let note = result.as_ref().map_or_else(
            || self.note_of("Prometheus"),
            |r| {
                r.failure
                    .as_ref()
                    .map(|f| format!("{f}. Readings and alerts are unknown until it answers."))
            },
        );
        states.push(self.state("Prometheus", self.failures == 0, note, at_ms));

        if let Some(firing) = &firing {
            let quiet = alertmanager.as_ref().and_then(|answer| answer.as_deref().ok());
            self.alerts = alerts::merge(firing, quiet, &parts.profile, &self.alerts, at);
            if let AlertsView::Known { alerts } = &mut self.alerts {
                for runbook in alerts.iter_mut().filter_map(|alert| alert.runbook.as_mut()) {
                    *runbook = runbooks::link(runbook, parts.runbook_url.as_ref());
                }
            }
        }
        match &alertmanager {
            Some(answer) => {
                parts.metrics.source_read("alertmanager", answer.is_ok());
                let note = answer
                    .as_ref()
                    .err()
                    .map(|e| format!("{e}. Silences are not known: what fires is shown as firing."));
                states.push(self.state("Alertmanager", answer.is_ok(), note, at_ms));
            }
            None => states.push(not_configured(
                "Alertmanager",
                "Silences are not known: what fires is shown as firing.",
            )),
        }

        let database_up = matches!(database, Ok(Ok(_)));
        parts.metrics.source_read("database", database_up);
        let note = (!database_up).then(|| {
            "Nobody can sign in, histories are not shown, and changes of band wait to be stored. Live values go on.".to_owned()
        });
        states.push(self.state("Console database", database_up, note, at_ms));

        match &redis {
            Some(answer) => {
                parts.metrics.source_read("redis", answer.is_ok());
                let note = answer.as_ref().err().map(|_| {
                    "Does not answer. Each replica polls for itself, and sign-in limits count per replica.".to_owned()
                });
                states.push(self.state("Redis", answer.is_ok(), note, at_ms));
            }
            None => states.push(not_configured("Redis", "A single console does without it.")),
        }
        self.states.clone_from(&states);
        self.nodes = DatabaseNodeView::all(&nodes.sights, nodes.at_ms, &self.nodes);
        Poll {
            at,
            readings: result
                .map(|r| {
                    r.readings
                        .into_iter()
                        .map(|(id, reading)| (id, reading.reading))
                        .collect()
                })
                .unwrap_or_default(),
            alerts: self.alerts.clone(),
            sources: states,
            databases: self.nodes.clone(),
        }
    }

    /// Leaves a Prometheus that fails alone for longer and longer, up to the configured limit.
    fn back_off(&mut self, result: Option<&PollResult>) {
        let Some(result) = result else { return };
        if result.failure.is_none() {
            (self.failures, self.ask_again_at) = (0, None);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = self.config.interval() * 2_u32.saturating_pow((self.failures - 1).min(8));
        // A tick that comes a moment early still counts.
        let pause = pause
            .min(self.config.backoff_max())
            .saturating_sub(self.config.interval() / 4);
        self.ask_again_at = Some(Instant::now() + pause);
    }

    fn note_of(&self, name: &str) -> Option<String> {
        self.states
            .iter()
            .find(|s| s.name == name)
            .and_then(|s| s.note.clone())
    }

    /// A source's state with the time since which it is in it.
    fn state(&self, name: &str, up: bool, note: Option<String>, now_ms: i64) -> SourceView {
        let state = if up { SourceState::Up } else { SourceState::Down };
        let before = self.states.iter().find(|s| s.name == name && s.state == state);
        let since_ms = before.map_or(Some(now_ms), |b| b.since_ms);
        SourceView {
            name: name.to_owned(),
            state,
            since_ms,
            note: note.filter(|_| !up),
        }
    }
}

fn not_configured(name: &str, note: &str) -> SourceView {
    SourceView {
        name: name.to_owned(),
        state: SourceState::NotConfigured,
        since_ms: None,
        note: Some(note.to_owned()),
    }
}
