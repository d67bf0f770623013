//! Judges each poll and keeps what must outlive it: debounced bands, since when, and the recent past.

use std::{collections::BTreeMap, sync::Arc};

use quarterdeck_app::view::{
    estate::{AlertsView, DatabaseNodeView, SourceView},
    health::{GroupView, OverviewView, SPARK_POINTS, TileView},
};
use quarterdeck_domain::health::{
    Assessment, Band, MetricId, MetricSpec, Observation, Profile, Reading, Tracker, Transition,
    UnknownReason, assess,
};
use time::OffsetDateTime;

use crate::clock::unix_ms;

/// Seconds between two points of a sparkline: sixty of them make an hour.
pub const SPARK_STEP_S: u32 = 60;

/// What one poll brought.
#[derive(Debug, Clone)]
pub struct Poll {
    /// When it ended.
    pub at: OffsetDateTime,
    /// One reading a metric. A metric that is not in here keeps its last reading until that is stale.
    pub readings: BTreeMap<MetricId, Reading>,
    /// The alerts.
    pub alerts: AlertsView,
    /// The sources.
    pub sources: Vec<SourceView>,
    /// The nodes of the watched database.
    pub databases: Vec<DatabaseNodeView>,
}

/// A change of band, ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionRecord {
    /// Which metric.
    pub metric: MetricId,
    /// From, to, since, at.
    pub transition: Transition,
    /// The value at that time, in the metric's unit.
    pub value: Option<f64>,
    /// The worst member at that time.
    pub member: Option<String>,
    /// Why it is unknown, if it is.
    pub reason: Option<String>,
}

/// The state behind the overview.
#[derive(Debug)]
pub struct Engine {
    profile: Arc<Profile>,
    poll_interval_ms: u32,
    metrics: Vec<MetricState>,
    /// Whether the stored history was read: until then it is not known what the first sight of a metric is a change from.
    history_known: bool,
    polled_at: Option<OffsetDateTime>,
    alerts: AlertsView,
    sources: Vec<SourceView>,
    databases: Vec<DatabaseNodeView>,
}

#[derive(Debug)]
struct MetricState {
    spec: MetricSpec,
    tracker: Option<Tracker>,
    /// The first sight of it, kept until the stored history is known.
    first_sight: Option<TransitionRecord>,
    reading: Reading,
    assessment: Assessment,
    last_value: Option<(f64, OffsetDateTime)>,
    member: Option<String>,
    /// Carries the sparkline; its other fields are filled in when a view is made.
    tile: TileView,
}

impl Engine {
    /// Starts with nothing known: every metric is unknown until it is read.
    #[must_use]
    pub fn new(profile: Arc<Profile>, poll_interval_ms: u32) -> Self {
        let metrics = profile.metrics().iter().map(MetricState::new).collect();
        Self {
            profile,
            poll_interval_ms,
            metrics,
            history_known: false,
            polled_at: None,
            alerts: AlertsView::Unknown {
                last_known: Vec::new(),
                since_ms: None,
            },
            sources: Vec::new(),
            databases: Vec::new(),
        }
    }

    /// Takes over bands and "since when" from the stored history: the last stored band of each metric and when it
    /// began. A metric that is not in `stored` starts anew with its first reading.
    ///
    /// Where metrics were judged before, because the history could not be read until now, the history is joined to the
    /// first sight of each. Returns the changes of band between the two, to be stored before all others.
    pub fn restore(&mut self, stored: &[(MetricId, Band, OffsetDateTime)]) -> Vec<TransitionRecord> {
        self.history_known = true;
        let joined = self.metrics.iter_mut().filter_map(|metric| {
            let last = stored.iter().find(|(id, ..)| *id == metric.spec.id);
            metric.join(last.map(|(_, band, since)| (*band, *since)))
        });
        joined.collect()
    }

    /// Fills the sparkline of a metric with its past, oldest first, one value each [`SPARK_STEP_S`], up to `end`.
    pub fn seed_spark(&mut self, id: &MetricId, values: Vec<Option<f64>>, end: OffsetDateTime) {
        if let Some(metric) = self.metrics.iter_mut().find(|m| &m.spec.id == id) {
            let surplus = values.len().saturating_sub(SPARK_POINTS);
            metric.tile.spark = values.into_iter().skip(surplus).collect();
            metric.tile.spark_end_ms = Some(unix_ms(end));
        }
    }

    /// Judges a poll. Returns the changes of band, to be stored; the first sight of a metric is among them once the
    /// history was [restored](Self::restore).
    pub fn apply(&mut self, poll: Poll) -> Vec<TransitionRecord> {
        let now = poll.at;
        let mut records = Vec::new();
        for metric in &mut self.metrics {
            if let Some(reading) = poll.readings.get(&metric.spec.id) {
                metric.reading = match (reading, &metric.reading) {
                    // One unanswered poll doesn't make a fresh value unknown: the value stays until it is stale.
                    (Reading::Missing(UnknownReason::SourceDown), Reading::Measured(kept))
                        if now - kept.sampled_at <= metric.spec.stale_after =>
                    {
                        Reading::Measured(kept.clone())
                    }
                    (new, _) => new.clone(),
                };
            }
            let change = metric.judge(now);
            // The history starts with the very first sight of a metric, where there was none before.
            let first = if self.history_known {
                metric.join(None)
            } else {
                None
            };
            records.extend(first.or(change));
        }
        self.alerts = poll.alerts;
        self.sources = poll.sources;
        self.databases = poll.databases;
        self.polled_at = Some(now);
        records
    }

    /// The state as viewers see it, under the given event id.
    #[must_use]
    pub fn view(&self, event_id: String) -> OverviewView {
        let groups = self.profile.groups().iter().map(|group| GroupView {
            id: group.id.clone(),
            title: group.title.clone(),
            tiles: self
                .metrics
                .iter()
                .filter(|m| m.spec.group == group.id)
                .map(MetricState::view)
                .collect(),
        });
        OverviewView {
            title: self.profile.title().to_owned(),
            event_id,
            polled_at_ms: self.polled_at.map(unix_ms),
            poll_interval_ms: self.poll_interval_ms,
            groups: groups.filter(|g: &GroupView| !g.tiles.is_empty()).collect(),
            alerts: self.alerts.clone(),
            sources: self.sources.clone(),
            databases: self.databases.clone(),
        }
    }
}

impl MetricState {
    fn new(spec: &MetricSpec) -> Self {
        let tile = TileView {
            id: spec.id.to_string(),
            title: spec.title.clone(),
            unit: spec.unit,
            thresholds: spec.thresholds,
            actions: spec.actions.clone(),
            band: Band::Unknown,
            since_ms: None,
            reason: Some(UnknownReason::NotYetRead),
            value: None,
            sampled_at_ms: None,
            member: None,
            pending: None,
            spark: Vec::new(),
            spark_step_s: SPARK_STEP_S,
            spark_end_ms: None,
        };
        Self {
            spec: spec.clone(),
            tracker: None,
            first_sight: None,
            reading: Reading::Missing(UnknownReason::NotYetRead),
            assessment: Assessment::Unknown {
                reason: UnknownReason::NotYetRead,
            },
            last_value: None,
            member: None,
            tile,
        }
    }

    fn judge(&mut self, now: OffsetDateTime) -> Option<TransitionRecord> {
        self.assessment = assess(&self.reading, &self.spec, now);
        if let Some(measured) = self.assessment.measured() {
            self.last_value = Some((measured.value, measured.sampled_at));
            self.member.clone_from(&measured.member);
        }
        let seen = self.assessment.band();
        self.tile
            .push_spark(self.assessment.measured().map(|m| m.value), unix_ms(now));
        match &mut self.tracker {
            Some(tracker) => match tracker.observe(seen, now, self.spec.debounce) {
                Observation::Changed(transition) => Some(self.record(transition)),
                Observation::Unchanged | Observation::Pending { .. } => None,
            },
            None => {
                self.tracker = Some(Tracker::new(seen, now));
                self.first_sight = Some(self.record(Transition {
                    from: Band::Unknown,
                    to: seen,
                    since: now,
                    at: now,
                }));
                None
            }
        }
    }

    /// Joins the last stored band, and since when, to the first sight. Returns the change between the two, if there is
    /// one: the bands that were seen after that follow from it.
    fn join(&mut self, stored: Option<(Band, OffsetDateTime)>) -> Option<TransitionRecord> {
        let Some(mut first) = self.first_sight.take() else {
            if let (None, Some((band, since))) = (self.tracker, stored) {
                self.tracker = Some(Tracker::new(band, since));
            }
            return None;
        };
        let seen = first.transition;
        match stored {
            // Another replica went on storing: its word is the later one.
            Some((band, since)) if since >= seen.since => self.tracker = Some(Tracker::new(band, since)),
            // It is as it was. Where it has not changed since, it has been so for longer than it was seen.
            Some((band, since)) if band == seen.to => {
                self.tracker = self.tracker.map(|tracker| {
                    if tracker.since() == seen.since {
                        tracker.begun(since)
                    } else {
                        tracker
                    }
                });
            }
            Some((band, _)) => {
                first.transition.from = band;
                return Some(first);
            }
            None => return (seen.to != Band::Unknown).then_some(first),
        }
        None
    }

    fn record(&self, transition: Transition) -> TransitionRecord {
        TransitionRecord {
            metric: self.spec.id.clone(),
            transition,
            value: self.assessment.measured().map(|m| m.value),
            member: self.assessment.measured().and_then(|m| m.member.clone()),
            reason: match &self.assessment {
                Assessment::Known { .. } => None,
                Assessment::Unknown { reason } => Some(reason.to_string()),
            },
        }
    }

    fn view(&self) -> TileView {
        // Restored from the history, but not read yet: what it was is not what it is.
        let read = self.reading != Reading::Missing(UnknownReason::NotYetRead);
        let tracker = self.tracker.filter(|_| read);
        TileView {
            band: tracker.map_or(Band::Unknown, |t| t.band()),
            since_ms: tracker.map(|t| unix_ms(t.since())),
            pending: tracker.and_then(|t| t.pending()),
            reason: match &self.assessment {
                Assessment::Known { .. } => None,
                // The age of a stale reading grows with each poll; since when says the same and needs no push.
                Assessment::Unknown { reason } => Some(reason.clone()),
            },
            value: self.last_value.map(|(v, _)| v),
            sampled_at_ms: self.last_value.map(|(_, at)| unix_ms(at)),
            member: self.member.clone(),
            ..self.tile.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quarterdeck_domain::health::{
        Debounce, Direction, Measured, MetricGroup, MetricKind, Thresholds, Unit,
    };
    use time::macros::datetime;

    use super::*;

    const T0: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn engine() -> Engine {
        let spec = MetricSpec {
            id: MetricId::new("latency").unwrap(),
            title: "Latency".into(),
            group: "api".into(),
            description: None,
            kind: MetricKind::Gauge,
            unit: Unit::Milliseconds,
            query: "x".into(),
            freshness: None,
            thresholds: Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap(),
            series_label: None,
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
        };
        let groups = vec![MetricGroup {
            id: "api".into(),
            title: "API".into(),
        }];
        let profile = Profile::new("p".into(), "P".into(), groups, vec![spec]).unwrap();
        Engine::new(Arc::new(profile), 5_000)
    }

    fn poll(at_s: u64, reading: Reading) -> Poll {
        Poll {
            at: T0 + Duration::from_secs(at_s),
            readings: BTreeMap::from([(MetricId::new("latency").unwrap(), reading)]),
            alerts: AlertsView::Known { alerts: Vec::new() },
            sources: Vec::new(),
            databases: Vec::new(),
        }
    }

    fn measured(at_s: u64, value: f64) -> Reading {
        Reading::Measured(Measured {
            value,
            member: None,
            sampled_at: T0 + Duration::from_secs(at_s),
        })
    }

    fn stored(band: Band, since: OffsetDateTime) -> [(MetricId, Band, OffsetDateTime); 1] {
        [(MetricId::new("latency").unwrap(), band, since)]
    }

    fn tile(engine: &Engine) -> TileView {
        engine.view("e".into()).groups[0].tiles[0].clone()
    }

    #[test]
    fn before_the_first_reading_everything_is_unknown_even_with_a_history() {
        let mut engine = engine();
        assert_eq!(engine.restore(&stored(Band::Ok, T0)), []);
        assert_eq!(tile(&engine).band, Band::Unknown);
        assert_eq!(tile(&engine).since_ms, None);
    }

    #[test]
    fn since_when_survives_a_restart() {
        let mut engine = engine();
        engine.restore(&stored(Band::Ok, T0 - Duration::from_secs(3600)));
        let records = engine.apply(poll(5, measured(5, 10.0)));
        assert_eq!(records, []);
        assert_eq!(tile(&engine).band, Band::Ok);
        assert_eq!(tile(&engine).since_ms, Some(unix_ms(T0) - 3_600_000));
    }

    #[test]
    fn the_first_sight_of_a_metric_is_recorded() {
        let mut engine = engine();
        engine.restore(&[]);
        let records = engine.apply(poll(5, measured(5, 10.0)));
        assert_eq!(records.len(), 1);
        assert_eq!(
            (records[0].transition.from, records[0].transition.to),
            (Band::Unknown, Band::Ok)
        );
        assert_eq!(records[0].value, Some(10.0));
    }

    #[test]
    fn a_history_that_comes_late_is_joined_to_what_was_seen_first() {
        let before = T0 - Duration::from_secs(3600);
        let late = |seen: &[f64], stored: &[_]| {
            let mut engine = engine();
            let later: Vec<_> = (0..)
                .zip(seen)
                .flat_map(|(n, value)| engine.apply(poll(n * 15, measured(n * 15, *value))))
                .map(|record| (record.transition.from, record.transition.to))
                .collect();
            let joined: Vec<_> = engine
                .restore(stored)
                .into_iter()
                .map(|record| {
                    (
                        record.transition.from,
                        record.transition.to,
                        record.transition.since,
                    )
                })
                .collect();
            (joined, later, tile(&engine).since_ms)
        };
        let ms = |at| Some(unix_ms(at));
        // As it was: since when is what was stored.
        assert_eq!(
            late(&[10.0], &stored(Band::Ok, before)),
            (vec![], vec![], ms(before))
        );
        // Another band: a change from the stored one, when it was first seen.
        assert_eq!(
            late(&[10.0], &stored(Band::Alert, before)),
            (vec![(Band::Alert, Band::Ok, T0)], vec![], ms(T0))
        );
        // As it was at first, and changed meanwhile: the change stands.
        let at = T0 + Duration::from_secs(15);
        assert_eq!(
            late(&[10.0, 150.0, 150.0], &stored(Band::Ok, before)),
            (vec![], vec![(Band::Ok, Band::Alert)], ms(at))
        );
        // Never seen before: the history starts with the first sight.
        assert_eq!(
            late(&[10.0], &[]),
            (vec![(Band::Unknown, Band::Ok, T0)], vec![], ms(T0))
        );
        // Another replica has stored since: it goes on from there.
        assert_eq!(late(&[10.0], &stored(Band::Alert, at)), (vec![], vec![], ms(at)));
    }

    #[test]
    fn one_lost_poll_keeps_the_value_and_staleness_ends_it() {
        let mut engine = engine();
        engine.apply(poll(0, measured(0, 10.0)));
        engine.apply(poll(5, Reading::Missing(UnknownReason::SourceDown)));
        assert_eq!((tile(&engine).band, tile(&engine).value), (Band::Ok, Some(10.0)));
        let records = engine.apply(poll(31, Reading::Missing(UnknownReason::SourceDown)));
        assert_eq!(records[0].transition.to, Band::Unknown);
        assert_eq!(
            records[0].reason.as_deref(),
            Some("source down: Prometheus does not answer")
        );
        // The last value is still told, with its time.
        assert_eq!(
            (
                tile(&engine).band,
                tile(&engine).value,
                tile(&engine).sampled_at_ms
            ),
            (Band::Unknown, Some(10.0), Some(unix_ms(T0)))
        );
    }

    #[test]
    fn the_sparkline_moves_one_point_a_step() {
        let mut engine = engine();
        for s in 0..10 {
            engine.apply(poll(s * 30, measured(s * 30, 10.0 + s as f64)));
        }
        let spark = tile(&engine).spark;
        assert_eq!(
            spark,
            [Some(11.0), Some(13.0), Some(15.0), Some(17.0), Some(19.0)]
        );
    }
}
