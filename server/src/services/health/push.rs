//! Which changes are worth sending, and the smallest message that says them.

use quarterdeck_app::view::{
    estate::{DatabaseNodeView, DatabaseRole},
    health::{DeltaView, OverviewView, TileDelta, TileView},
};
use quarterdeck_domain::health::UnknownReason;
use serde::Deserialize;

/// When a changed value is pushed. A band, a worst pod or a reason that changes is always pushed at once.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushConfig {
    /// A value is pushed when it moved by more than this share of its alert threshold.
    pub deadband_ratio: f64,
    /// A smaller move that would change the shown number is pushed after this long, seconds.
    pub refresh_after_s: u32,
    /// A sign of life is sent to each viewer when nothing else was for this long, seconds.
    pub heartbeat_s: u32,
    /// How many events a viewer may lag behind before it is sent the whole state instead.
    pub queue_events: usize,
    /// How many past events are kept for viewers that reconnect.
    pub replay_events: usize,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            deadband_ratio: 0.005,
            refresh_after_s: 30,
            heartbeat_s: 15,
            queue_events: 64,
            replay_events: 128,
        }
    }
}

/// Puts back the last pushed value where the new one is not worth a push, so that what this returns is exactly
/// what viewers see. Values are rounded to four significant digits.
#[must_use]
pub fn settle(shown: &OverviewView, mut next: OverviewView, config: &PushConfig) -> OverviewView {
    for tile in next.groups.iter_mut().flat_map(|g| &mut g.tiles) {
        tile.value = tile.value.map(round_4);
        let Some(old) = shown.tiles().find(|t| t.id == tile.id) else {
            continue;
        };
        settle_reason(old, tile);
        let (Some(old_value), Some(value)) = (old.value, tile.value) else {
            continue;
        };
        let small = (value - old_value).abs() <= config.deadband_ratio * tile.thresholds.alert().abs();
        let age_ms = match (old.sampled_at_ms, tile.sampled_at_ms) {
            (Some(then), Some(now)) => now - then,
            (None, _) | (_, None) => i64::MAX,
        };
        let looks_the_same = tile.unit.number(value) == tile.unit.number(old_value);
        let recent = age_ms < i64::from(config.refresh_after_s) * 1_000;
        let says_more = old.band != tile.band || old.member != tile.member || old.pending != tile.pending;
        if !says_more && (looks_the_same || (small && recent)) {
            tile.value = old.value;
            tile.sampled_at_ms = old.sampled_at_ms;
        }
    }
    for node in &mut next.databases {
        if let Some(old) = shown.databases.iter().find(|n| n.name == node.name) {
            settle_node(old, node);
        }
    }
    next
}

/// A standby that streams without lagging is no news, though its figures are others at each poll.
fn settle_node(old: &DatabaseNodeView, node: &mut DatabaseNodeView) {
    const SMALL_LAG_BYTES: i64 = 1024 * 1024;
    const RECENT_MS: i64 = 15_000;
    let calm = |role: &DatabaseRole| match role {
        DatabaseRole::Standby {
            lag_bytes: Some(lag),
            last_message_age_ms: Some(age),
        } => *lag < SMALL_LAG_BYTES && *age < RECENT_MS,
        DatabaseRole::Standby { .. } | DatabaseRole::Primary { .. } | DatabaseRole::Unreachable { .. } => {
            false
        }
    };
    if calm(&old.role) && calm(&node.role) {
        node.role = old.role.clone();
    }
    // "has heard nothing for 41 s" is the same fault as a second ago.
    let words = |fault: &String| fault.replace(|c: char| c.is_ascii_digit(), "");
    if old.faults.iter().map(words).eq(node.faults.iter().map(words)) {
        node.faults.clone_from(&old.faults);
    }
}

/// A reading that goes on being stale is no news: the first age is kept.
fn settle_reason(old: &TileView, tile: &mut TileView) {
    if let (Some(UnknownReason::Stale { .. }), Some(UnknownReason::Stale { .. })) =
        (&old.reason, &tile.reason)
    {
        tile.reason.clone_from(&old.reason);
    }
}

/// What a viewer that has `old` needs to have `new`; `None` when it sees no difference.
#[must_use]
pub fn diff(old: &OverviewView, new: &OverviewView) -> Option<DeltaView> {
    let mut delta = DeltaView {
        event_id: new.event_id.clone(),
        polled_at_ms: new.polled_at_ms?,
        values: Default::default(),
        tiles: Default::default(),
        alerts: (old.alerts != new.alerts).then(|| new.alerts.clone()),
        sources: (old.sources != new.sources).then(|| new.sources.clone()),
        databases: (old.databases != new.databases).then(|| new.databases.clone()),
    };
    for tile in new.tiles() {
        let before = old.tiles().find(|t| t.id == tile.id);
        let same_state = before.is_some_and(|b| {
            b.band == tile.band
                && b.since_ms == tile.since_ms
                && b.reason == tile.reason
                && b.pending == tile.pending
                && b.member == tile.member
        });
        let new_value = tile.value.filter(|_| before.and_then(|b| b.value) != tile.value);
        match (same_state, new_value) {
            (true, None) => {}
            (true, Some(value)) => {
                delta.values.insert(tile.id.clone(), value);
            }
            (false, value) => {
                let change = TileDelta {
                    band: tile.band,
                    since_ms: tile.since_ms,
                    value,
                    member: tile.member.clone(),
                    reason: tile.reason.clone(),
                    pending: tile.pending,
                };
                delta.tiles.insert(tile.id.clone(), change);
            }
        }
    }
    let nothing = delta.values.is_empty()
        && delta.tiles.is_empty()
        && delta.alerts.is_none()
        && delta.sources.is_none()
        && delta.databases.is_none();
    (!nothing).then_some(delta)
}

/// Four significant digits: more than is ever shown, and short on the wire.
fn round_4(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quarterdeck_app::view::{
        estate::{AlertsView, SourceState, SourceView},
        health::GroupView,
    };
    use quarterdeck_domain::health::{Band, Direction, Thresholds, Unit};

    use super::*;

    fn tile(id: &str, value: Option<f64>, band: Band) -> TileView {
        TileView {
            id: id.into(),
            title: id.into(),
            unit: Unit::Milliseconds,
            thresholds: Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap(),
            actions: Vec::new(),
            band,
            since_ms: Some(0),
            reason: (band == Band::Unknown).then_some(UnknownReason::NoData),
            value,
            sampled_at_ms: Some(0),
            member: None,
            pending: None,
            spark: Vec::new(),
            spark_step_s: 60,
            spark_end_ms: None,
        }
    }

    fn view(tiles: Vec<TileView>, at_ms: i64) -> OverviewView {
        OverviewView {
            title: "T".into(),
            event_id: format!("e-{at_ms}"),
            polled_at_ms: Some(at_ms),
            poll_interval_ms: 5_000,
            groups: vec![GroupView {
                id: "g".into(),
                title: "G".into(),
                tiles,
            }],
            alerts: AlertsView::Known { alerts: Vec::new() },
            sources: Vec::new(),
            databases: Vec::new(),
        }
    }

    fn at(mut t: TileView, sampled_at_ms: i64) -> TileView {
        t.sampled_at_ms = Some(sampled_at_ms);
        t
    }

    #[test]
    fn a_small_move_waits_and_a_large_one_does_not() {
        let config = PushConfig::default();
        let old = view(vec![tile("a", Some(10.0), Band::Ok)], 0);
        let small = view(vec![at(tile("a", Some(10.4), Band::Ok), 5_000)], 5_000);
        assert_eq!(diff(&old, &settle(&old, small, &config)), None);
        let late = view(vec![at(tile("a", Some(10.4), Band::Ok), 30_000)], 30_000);
        let delta = diff(&old, &settle(&old, late, &config)).unwrap();
        assert_eq!(delta.values.get("a"), Some(&10.4));
        let large = view(vec![at(tile("a", Some(10.6), Band::Ok), 5_000)], 5_000);
        assert!(diff(&old, &settle(&old, large, &config)).is_some());
    }

    #[test]
    fn a_change_of_band_is_pushed_however_small_the_move() {
        let old = view(vec![tile("a", Some(50.0), Band::Degraded)], 0);
        let new = view(vec![at(tile("a", Some(49.9), Band::Ok), 5_000)], 5_000);
        let delta = diff(&old, &settle(&old, new, &PushConfig::default())).unwrap();
        assert_eq!(delta.tiles["a"].band, Band::Ok);
        assert_eq!(delta.tiles["a"].value, Some(49.9));
    }

    #[test]
    fn a_source_that_goes_down_is_pushed() {
        let old = view(vec![], 0);
        let mut new = view(vec![], 5_000);
        let down = SourceView {
            name: "Redis".into(),
            state: SourceState::Down,
            since_ms: None,
            note: None,
        };
        new.sources.push(down);
        assert!(diff(&old, &new).unwrap().sources.is_some());
    }

    fn any_tile(id: &'static str) -> impl Strategy<Value = TileView> {
        (
            0usize..4,
            proptest::option::of(0f64..200.0),
            proptest::option::of("[a-c]"),
            proptest::option::of(0usize..4),
        )
            .prop_map(move |(band, value, member, pending)| {
                let mut t = tile(id, value, Band::BY_URGENCY[band]);
                t.member = member;
                t.pending = pending.map(|i| Band::BY_URGENCY[i]);
                t
            })
    }

    proptest! {
        /// Whoever applies the deltas sees what the server sees, but for the sparkline and the time of a value.
        #[test]
        fn deltas_rebuild_the_state(polls in proptest::collection::vec((any_tile("a"), any_tile("b")), 1..20)) {
            let config = PushConfig::default();
            let mut server = view(vec![tile("a", None, Band::Unknown), tile("b", None, Band::Unknown)], 0);
            let mut viewer = server.clone();
            for (i, (a, b)) in polls.into_iter().enumerate() {
                let now = (i as i64 + 1) * 5_000;
                // A value once seen stays: the engine keeps the last one.
                let keep = |t: TileView, s: &OverviewView, n: usize| {
                    let mut t = at(t, now);
                    if t.value.is_none() { t.value = s.groups[0].tiles[n].value; }
                    t
                };
                let next = view(vec![keep(a, &server, 0), keep(b, &server, 1)], now);
                let next = settle(&server, next, &config);
                if let Some(delta) = diff(&server, &next) {
                    let wire = serde_json::to_string(&delta).unwrap();
                    let delta: DeltaView = serde_json::from_str(&wire).unwrap();
                    viewer.apply(&delta);
                }
                server = next;
                for (v, s) in viewer.tiles().zip(server.tiles()) {
                    prop_assert_eq!(
                        (v.band, v.value, &v.member, &v.reason, v.pending, v.since_ms),
                        (s.band, s.value, &s.member, &s.reason, s.pending, s.since_ms)
                    );
                }
            }
        }

        #[test]
        fn rounding_keeps_what_is_shown(value in -1e6f64..1e6) {
            prop_assert!((round_4(value) - value).abs() <= value.abs() * 5.1e-4);
        }
    }
}
