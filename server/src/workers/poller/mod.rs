//! The poller: asks every source once for all viewers, judges, stores, publishes.
//!
//! Of several replicas the one that holds the lock polls ([`Leadership::Leader`]). A replica polls for itself, without
//! storing anything, while the lock can't be asked for, or while no snapshot of the leader reaches it.

mod sources;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use quarterdeck_app::view::health::{OverviewView, SPARK_POINTS};
use quarterdeck_domain::health::{MetricSpec, Profile, reduce_worst};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::sources::Sources;
use super::{leadership::Leadership, relay::Relay};
use crate::{
    clients::{AlertmanagerClient, MetricsReader, PrometheusClient, promql},
    clock::{Clock, unix_ms},
    config::poller::PollerConfig,
    db::health_transitions,
    entropy::Entropy,
    services::{
        cluster::WatchedCluster,
        health::{
            engine::{Engine, SPARK_STEP_S, TransitionRecord},
            hub::Hub,
            push::{PushConfig, settle},
        },
    },
    telemetry::{
        metrics::Metrics,
        trace::{self, TraceContext},
    },
};

/// More changes of band than this are not kept while the database is down: the oldest go first.
const KEEP_TRANSITIONS: usize = 10_000;

/// How long the first poll waits to know who is to do it.
const ELECTION_PATIENCE: Duration = Duration::from_secs(3);

/// What the poller asks, and where it puts what it learns.
#[derive(Debug)]
pub struct PollerParts {
    /// What is watched.
    pub profile: Arc<Profile>,
    /// Where readings, rules and alerts come from.
    pub prometheus: PrometheusClient,
    /// Where silences come from.
    pub alertmanager: Option<AlertmanagerClient>,
    /// The watched cluster.
    pub cluster: Arc<WatchedCluster>,
    /// The console's own database.
    pub pool: PgPool,
    /// The way to other replicas.
    pub relay: Option<Relay>,
    /// This replica's state.
    pub hub: Arc<Hub>,
    /// The console's own figures.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where event ids come from.
    pub entropy: Arc<dyn Entropy>,
    /// How often.
    pub config: PollerConfig,
    /// What is worth sending.
    pub push: PushConfig,
    /// Where runbooks named by a relative path are.
    pub runbook_url: Option<url::Url>,
}

/// What comes to the poller from outside.
#[derive(Debug)]
pub struct PollerInputs {
    /// Whether this replica polls for all.
    pub leadership: watch::Receiver<Leadership>,
    /// Snapshots that another replica published.
    pub snapshots: mpsc::Receiver<OverviewView>,
    /// Cancelled when the console stops.
    pub stop: CancellationToken,
}

/// The worker.
#[derive(Debug)]
pub struct Poller {
    parts: PollerParts,
    sources: Sources,
    engine: Engine,
    /// Begins every event id, so that ids of two runs are never mixed up.
    run_id: String,
    sequence: u64,
    waiting: VecDeque<TransitionRecord>,
    restored: bool,
    seeded: bool,
    heard_at: Option<Instant>,
}

impl Poller {
    /// Prepares; nothing is asked yet.
    #[must_use]
    pub fn new(parts: PollerParts) -> Self {
        let run_id: String = parts
            .entropy
            .bytes::<4>()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let engine = Engine::new(Arc::clone(&parts.profile), parts.config.interval_ms);
        let sources = Sources::new(MetricsReader::new(Arc::clone(&parts.profile)), parts.config);
        Self {
            parts,
            sources,
            engine,
            run_id,
            sequence: 0,
            waiting: VecDeque::new(),
            restored: false,
            seeded: false,
            heard_at: None,
        }
    }

    /// Polls until it is stopped.
    pub async fn run(mut self, mut inputs: PollerInputs) {
        // Who polls is settled first, so that the first judgement of a leader rests on the stored history, and a follower does
        // not begin by polling. It takes milliseconds, or the time limit when the database is down.
        let _ = tokio::time::timeout(ELECTION_PATIENCE, inputs.leadership.changed()).await;
        self.parts
            .metrics
            .leader
            .set(i64::from(*inputs.leadership.borrow() == Leadership::Leader));
        let mut ticker = tokio::time::interval(self.parts.config.interval());
        ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let started = Instant::now();
        loop {
            let leadership = *inputs.leadership.borrow_and_update();
            tokio::select! {
                biased;
                () = inputs.stop.cancelled() => break,
                Some(snapshot) = inputs.snapshots.recv() => self.hear(leadership, snapshot),
                Ok(()) = inputs.leadership.changed() => {
                    let now = *inputs.leadership.borrow_and_update();
                    self.parts.metrics.leader.set(i64::from(now == Leadership::Leader));
                    // Takes over at once rather than at the next tick.
                    if now == Leadership::Leader {
                        ticker.reset_immediately();
                    }
                }
                _ = ticker.tick() => {
                    let patience = self.parts.config.interval() * self.parts.config.solo_after_intervals;
                    let unheard = self.heard_at.unwrap_or(started).elapsed() > patience;
                    match leadership {
                        Leadership::Leader | Leadership::Unelected => self.poll(leadership).await,
                        Leadership::Follower if unheard => self.poll(leadership).await,
                        Leadership::Follower => {}
                    }
                }
            }
        }
        // What is known goes to the database, if it can.
        let leadership = *inputs.leadership.borrow();
        self.store(leadership).await;
    }

    /// Takes another replica's snapshot, unless this one polls for all.
    fn hear(&mut self, leadership: Leadership, snapshot: OverviewView) {
        match leadership {
            Leadership::Leader => {}
            Leadership::Follower | Leadership::Unelected => {
                self.heard_at = Some(Instant::now());
                self.parts
                    .metrics
                    .polled_at
                    .set(snapshot.polled_at_ms.unwrap_or(0) / 1_000);
                if self.parts.hub.publish(snapshot) {
                    self.parts.metrics.events_pushed.inc();
                }
            }
        }
    }

    /// One poll, as a trace of its own: what sources log about it is found under its id.
    async fn poll(&mut self, leadership: Leadership) {
        let context = TraceContext::start(&*self.parts.entropy);
        trace::scope(context, self.poll_once(leadership)).await;
    }

    async fn poll_once(&mut self, leadership: Leadership) {
        let started = Instant::now();
        self.restore(leadership).await;
        let poll = self.sources.ask(&self.parts).await;
        let (now, answered) = (poll.at, self.sources.prometheus_answers());
        self.waiting.extend(self.engine.apply(poll));
        if answered && !self.seeded {
            self.seeded = true;
            self.seed(now).await;
        }
        self.store(leadership).await;
        self.publish(leadership).await;
        self.parts.metrics.poll(started.elapsed(), now.unix_timestamp());
    }

    /// Bands and "since when" come from the database, once: before the first judgement where it answers, otherwise as soon
    /// as it does.
    async fn restore(&mut self, leadership: Leadership) {
        if self.restored || leadership == Leadership::Unelected {
            return;
        }
        match health_transitions::latest(&self.parts.pool).await {
            Ok(stored) => {
                // What another replica has stored since counts.
                self.waiting.retain(|kept| {
                    !stored
                        .iter()
                        .any(|(id, _, since)| *id == kept.metric && *since >= kept.transition.since)
                });
                for record in self.engine.restore(&stored).into_iter().rev() {
                    self.waiting.push_front(record);
                }
                self.restored = true;
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the history of bands could not be read; trying again"
                );
            }
        }
    }

    /// Fills the sparklines with the last hour, in as few requests as a poll takes. Where that fails they fill with time.
    async fn seed(&mut self, now: OffsetDateTime) {
        let step = Duration::from_secs(u64::from(SPARK_STEP_S));
        let span = step * u32::try_from(SPARK_POINTS - 1).unwrap_or(0);
        let profile = Arc::clone(&self.parts.profile);
        for union in promql::unions(profile.metrics(), 15_000) {
            let series = match self
                .parts
                .prometheus
                .range(&union.query, now - span, now, step)
                .await
            {
                Ok(series) => series,
                Err(error) => {
                    tracing::info!(error = &error as &dyn std::error::Error, "sparklines start empty");
                    continue;
                }
            };
            for spec in union.metrics.iter().filter_map(|id| profile.metric(id.as_str())) {
                let values = spark_values(spec, &series, now - span, step);
                self.engine.seed_spark(&spec.id, values, now);
            }
        }
    }

    /// The leader stores changes of band. A replica without an elected leader keeps them until it knows who is.
    async fn store(&mut self, leadership: Leadership) {
        match leadership {
            Leadership::Leader => {
                let records: Vec<TransitionRecord> = self.waiting.iter().cloned().collect();
                match health_transitions::insert(&self.parts.pool, &records).await {
                    Ok(()) => self.waiting.clear(),
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            waiting = records.len(),
                            "changes of band could not be stored; they are kept"
                        );
                    }
                }
            }
            Leadership::Follower => self.waiting.clear(),
            Leadership::Unelected => {}
        }
        let surplus = self.waiting.len().saturating_sub(KEEP_TRANSITIONS);
        self.waiting.drain(..surplus);
        self.parts
            .metrics
            .transitions_waiting
            .set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
    }

    async fn publish(&mut self, leadership: Leadership) {
        self.sequence += 1;
        let view = self.engine.view(format!("{}-{}", self.run_id, self.sequence));
        let view = settle(&self.parts.hub.present(), view, &self.parts.push);
        if self.parts.hub.publish(view) {
            self.parts.metrics.events_pushed.inc();
        }
        if leadership != Leadership::Leader {
            return;
        }
        if let Some(relay) = &self.parts.relay {
            let published = relay.publish(&self.parts.hub.present()).await;
            self.parts.metrics.source_read("redis", published.is_ok());
            if let Err(error) = published {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the snapshot was not published"
                );
            }
        }
    }
}

/// One value a step, the worst member's, from the answer to a marked range query.
fn spark_values(
    spec: &MetricSpec,
    series: &[crate::clients::prometheus::Series],
    from: OffsetDateTime,
    step: Duration,
) -> Vec<Option<f64>> {
    use quarterdeck_domain::health::Reading;
    let mine: Vec<_> = series
        .iter()
        .filter(|s| {
            s.labels
                .get(promql::METRIC_LABEL)
                .is_some_and(|id| id == spec.id.as_str())
        })
        .collect();
    let from_ms = unix_ms(from);
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let slot_of = |at_ms: i64| (at_ms - from_ms + step_ms / 2).div_euclid(step_ms);
    (0..SPARK_POINTS)
        .map(|slot| {
            let members = mine.iter().filter_map(|s| {
                let here = |(at, _): &&(i64, f64)| usize::try_from(slot_of(*at)).is_ok_and(|n| n == slot);
                s.points.iter().find(here).map(|(_, value)| (None, *value))
            });
            match reduce_worst(members, spec, from) {
                Reading::Measured(measured) => Some(measured.value),
                Reading::Missing(_) => None,
            }
        })
        .collect()
}
