//! The overview, its tiles, and a metric with its chart.

use std::collections::BTreeMap;

use quarterdeck_domain::{
    action::ActionKind,
    health::{Band, MetricKind, Thresholds, Unit, UnknownReason, Verdict, verdict},
};
use serde::{Deserialize, Serialize};

use super::estate::{AlertsView, DatabaseNodeView, SourceView};

/// The state of everything at one instant: what the overview shows and the event stream keeps up to date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct OverviewView {
    /// Name of the system that is watched.
    pub title: String,
    /// Id of the last event that is contained in this view; a stream that resumes from here misses nothing.
    pub event_id: String,
    /// When the last poll ended, Unix ms; `None` before the first.
    pub polled_at_ms: Option<i64>,
    /// Time between two polls, ms.
    pub poll_interval_ms: u32,
    /// Groups in order, each with its tiles in order.
    pub groups: Vec<GroupView>,
    /// What fires.
    pub alerts: AlertsView,
    /// How fresh each source is.
    pub sources: Vec<SourceView>,
    /// The watched database's nodes.
    pub databases: Vec<DatabaseNodeView>,
}

impl OverviewView {
    /// All tiles in order.
    pub fn tiles(&self) -> impl Iterator<Item = &TileView> {
        self.groups.iter().flat_map(|g| &g.tiles)
    }

    /// One word for everything.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (firing, critical) = self.alerts.firing();
        verdict(self.tiles().map(|t| t.band), firing, critical)
    }

    /// Applies what changed. Parts that the delta does not mention stay.
    pub fn apply(&mut self, delta: &DeltaView) {
        self.event_id.clone_from(&delta.event_id);
        self.polled_at_ms = Some(delta.polled_at_ms);
        for tile in self.groups.iter_mut().flat_map(|g| &mut g.tiles) {
            if let Some(change) = delta.tiles.get(&tile.id) {
                tile.apply(change, delta.polled_at_ms);
            } else if let Some(value) = delta.values.get(&tile.id) {
                tile.value = Some(*value);
                tile.sampled_at_ms = Some(delta.polled_at_ms);
            }
            let known = (tile.band != Band::Unknown).then_some(tile.value).flatten();
            tile.push_spark(known, delta.polled_at_ms);
        }
        if let Some(alerts) = &delta.alerts {
            self.alerts.clone_from(alerts);
        }
        if let Some(sources) = &delta.sources {
            self.sources.clone_from(sources);
        }
        if let Some(databases) = &delta.databases {
            self.databases.clone_from(databases);
        }
    }
}

/// A group of tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// Stable name.
    pub id: String,
    /// Title shown to a person.
    pub title: String,
    /// Its tiles in order.
    pub tiles: Vec<TileView>,
}

/// One metric on the overview.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TileView {
    /// Stable name; the page is `/health/<id>`.
    pub id: String,
    /// Title shown to a person.
    pub title: String,
    /// Unit of value and thresholds.
    pub unit: Unit,
    /// Target and alert threshold.
    pub thresholds: Thresholds,
    /// The guarded actions that can help when it is not well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionKind>,
    /// The debounced band.
    pub band: Band,
    /// Since when that band holds, Unix ms; `None` before the first poll.
    pub since_ms: Option<i64>,
    /// Why it is unknown, if it is.
    pub reason: Option<UnknownReason>,
    /// The last believable value, kept while the metric is unknown (the page then shows it struck as old).
    pub value: Option<f64>,
    /// When that value was sampled, Unix ms.
    pub sampled_at_ms: Option<i64>,
    /// The worst member of a vector.
    pub member: Option<String>,
    /// A band that is seen but has not held long enough to count.
    pub pending: Option<Band>,
    /// Values of the recent past at a fixed step, oldest first, `None` where nothing was known.
    pub spark: Vec<Option<f64>>,
    /// Step between two values of `spark`, seconds.
    pub spark_step_s: u32,
    /// When the newest value of `spark` was taken, Unix ms.
    pub spark_end_ms: Option<i64>,
}

/// How many values a sparkline holds.
pub const SPARK_POINTS: usize = 60;

impl TileView {
    /// Applies what changed in this tile, apart from its sparkline.
    pub fn apply(&mut self, change: &TileDelta, polled_at_ms: i64) {
        self.band = change.band;
        self.since_ms = change.since_ms;
        self.reason.clone_from(&change.reason);
        self.pending = change.pending;
        self.member.clone_from(&change.member);
        if let Some(value) = change.value {
            self.value = Some(value);
            self.sampled_at_ms = Some(polled_at_ms);
        }
    }

    /// Adds a value at the right end of the sparkline, or replaces the newest one when its step is not over.
    pub fn push_spark(&mut self, value: Option<f64>, at_ms: i64) {
        let step_ms = i64::from(self.spark_step_s.max(1)) * 1_000;
        let steps = self
            .spark_end_ms
            .map_or(1, |end| (at_ms - end).div_euclid(step_ms));
        if steps <= 0 {
            if let Some(last) = self.spark.last_mut() {
                *last = value;
            }
            return;
        }
        let missed = usize::try_from(steps - 1).unwrap_or(usize::MAX).min(SPARK_POINTS);
        // Between two pushes the value did not change enough to be pushed: it held.
        let held = self.spark.last().copied().flatten();
        self.spark.extend(std::iter::repeat_n(held, missed));
        self.spark.push(value);
        let surplus = self.spark.len().saturating_sub(SPARK_POINTS);
        self.spark.drain(..surplus);
        self.spark_end_ms = Some(self.spark_end_ms.map_or(at_ms, |end| end + steps * step_ms));
    }
}

/// What changed in one poll. Field names are short because this is sent every few seconds to every viewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DeltaView {
    /// Id of this event (also the `id:` of the stream's frame, and not repeated in its data).
    #[serde(skip)]
    pub event_id: String,
    /// When the poll ended, Unix ms.
    #[serde(rename = "t")]
    pub polled_at_ms: i64,
    /// Metrics of which only the value changed, by id.
    #[serde(rename = "v", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// Metrics of which more than the value changed, by id.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiles: BTreeMap<String, TileDelta>,
    /// The alerts, if they changed.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertsView>,
    /// The sources, if they changed.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<SourceView>>,
    /// The database nodes, if they changed.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<Vec<DatabaseNodeView>>,
}

/// What changed in one tile: the whole of what can change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TileDelta {
    /// The debounced band.
    #[serde(rename = "b")]
    pub band: Band,
    /// Since when, Unix ms.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// The value, if there is a new one.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The worst member of a vector.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Why it is unknown.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<UnknownReason>,
    /// A band that does not count yet.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Band>,
}

/// A metric's own page, apart from its chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MetricView {
    /// Its tile, as on the overview.
    pub tile: TileView,
    /// Title of its group.
    pub group: String,
    /// One sentence on what it measures.
    pub description: Option<String>,
    /// What kind of series it is made from.
    pub kind: MetricKind,
    /// Its PromQL.
    pub query: String,
    /// The selector that tells how old a reading is.
    pub freshness: Option<String>,
    /// The label that names the members of a vector.
    pub series_label: Option<String>,
    /// A reading older than this is unknown, seconds.
    pub stale_after_s: u64,
    /// A worse band counts after this long, seconds.
    pub raise_after_s: u64,
    /// A better band counts after this long, seconds.
    pub clear_after_s: u64,
    /// Its alert rule as Prometheus has it loaded.
    pub rule: Option<RuleView>,
    /// Path or URL of its runbook.
    pub runbook: Option<String>,
    /// Its dashboard in Grafana.
    pub grafana_url: Option<String>,
    /// Id of the event that `tile` is as of.
    pub event_id: String,
    /// Time between two polls, ms.
    pub poll_interval_ms: u32,
}

/// An alert rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its expression and delay as loaded in Prometheus; `None` when Prometheus doesn't have the rule or doesn't answer.
    pub loaded: Option<LoadedRuleView>,
}

/// What Prometheus says about a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LoadedRuleView {
    /// PromQL.
    pub expression: String,
    /// How long it must hold, seconds.
    pub for_s: u64,
    /// `inactive`, `pending` or `firing`.
    pub state: String,
}

/// The lines of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RangeView {
    /// Start of the range, Unix seconds.
    pub from_s: i64,
    /// End of the range, Unix seconds.
    pub to_s: i64,
    /// Step between two samples, seconds.
    pub step_s: i64,
    /// One line a member, or a single one.
    pub lines: Vec<LineView>,
    /// How many further members were left out (a chart shows at most 12 lines: the worst).
    pub left_out: u32,
}

/// One line of a chart, on the grid `from_s, from_s + step_s, …, to_s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct LineView {
    /// The member's name; `None` for a metric that is one number.
    pub name: Option<String>,
    /// One value a grid point, `None` where nothing is known.
    pub values: Vec<Option<f64>>,
}

/// A stored change of band.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TransitionView {
    /// The band before.
    pub from: Band,
    /// The band after.
    pub to: Band,
    /// When the new band was first seen, Unix ms.
    pub since_ms: i64,
    /// When it counted, Unix ms.
    pub at_ms: i64,
    /// The value at that time.
    pub value: Option<f64>,
    /// The worst member at that time.
    pub member: Option<String>,
    /// Why it was unknown.
    pub reason: Option<String>,
}
