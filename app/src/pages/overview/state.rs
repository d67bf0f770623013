//! The overview as signals: one a tile, so that a change touches what it changes and nothing else.

use leptos::prelude::*;
use quarterdeck_domain::{action::ActionKind, health::Band};

use super::worst::{Worst, worst_first};
use crate::{
    components::moment::{Clock, run_clock},
    live::{self, Connection, LiveEvent},
    view::{
        estate::{AlertsView, DatabaseNodeView, SourceView},
        health::{DeltaView, OverviewView, TileView},
    },
};

/// A group with the signals of its tiles.
#[derive(Clone)]
pub(super) struct Group {
    /// Stable name.
    pub id: String,
    /// Title shown to a person.
    pub title: String,
    /// One signal a tile, in order.
    pub tiles: Vec<RwSignal<TileView>>,
}

/// The sum of everything, for the head of the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// The most urgent band of the verdict and of what stands in the list.
    pub band: Band,
    /// The verdict's sentence.
    pub headline: String,
    /// What is not well, the worst first.
    pub worst: Vec<Worst>,
}

impl Summary {
    pub(super) fn of(view: &OverviewView) -> Self {
        let verdict = view.verdict();
        let worst = worst_first(view);
        let bands = worst.iter().map(|w| w.band).chain([verdict.band]);
        let band = bands.max_by_key(|b| b.urgency()).unwrap_or(Band::Unknown);
        Self {
            band,
            headline: verdict.headline(),
            worst,
        }
    }
}

/// All signals of the overview. Copied into every part of the page.
#[derive(Clone, Copy)]
pub(super) struct State {
    view: StoredValue<OverviewView>,
    tiles: StoredValue<Vec<RwSignal<TileView>>>,
    /// The head of the page.
    pub summary: RwSignal<Summary>,
    /// What fires.
    pub alerts: RwSignal<AlertsView>,
    /// What the console asks.
    pub sources: RwSignal<Vec<SourceView>>,
    /// The watched database.
    pub databases: RwSignal<Vec<DatabaseNodeView>>,
    /// The kinds of actions that the person may ask for.
    pub may: StoredValue<Vec<ActionKind>>,
    /// The time.
    pub clock: RwSignal<Clock>,
    /// When the values were last known to hold, Unix ms.
    pub as_of_ms: RwSignal<Option<i64>>,
    /// What a screen reader is told: changes of band, nothing else.
    pub announcement: RwSignal<String>,
    lost: RwSignal<bool>,
    limit_ms: i64,
}

impl State {
    /// Builds the signals from what the server sent.
    pub(super) fn new(view: OverviewView, may: Vec<ActionKind>, rendered_at_ms: i64) -> (Self, Vec<Group>) {
        let groups: Vec<Group> = view
            .groups
            .iter()
            .map(|g| Group {
                id: g.id.clone(),
                title: g.title.clone(),
                tiles: g.tiles.iter().cloned().map(RwSignal::new).collect(),
            })
            .collect();
        let state = Self {
            tiles: StoredValue::new(groups.iter().flat_map(|g| g.tiles.iter().copied()).collect()),
            summary: RwSignal::new(Summary::of(&view)),
            alerts: RwSignal::new(view.alerts.clone()),
            sources: RwSignal::new(view.sources.clone()),
            databases: RwSignal::new(view.databases.clone()),
            may: StoredValue::new(may),
            clock: RwSignal::new(Clock::at(rendered_at_ms)),
            as_of_ms: RwSignal::new(view.polled_at_ms),
            announcement: RwSignal::new(String::new()),
            lost: RwSignal::new(false),
            limit_ms: live::QUIET_LIMIT_MS.max(i64::from(view.poll_interval_ms) * 3),
            view: StoredValue::new(view),
        };
        (state, groups)
    }

    /// Whether the values are too old to be shown as what is: the connection is lost, or nothing was read for long.
    pub(super) fn stale(self) -> bool {
        let now_ms = self.clock.get().now_ms;
        self.lost.get() || self.as_of_ms.get().is_some_and(|t| now_ms - t > self.limit_ms)
    }

    /// Follows the event stream, in the browser.
    pub(super) fn go_live(self) {
        run_clock(self.clock);
        Effect::new(move |_| {
            let since = self.view.with_value(|v| v.event_id.clone());
            live::follow(&since, move |event| self.take(event));
            live::on_connection(move |connection| {
                self.lost.set(match connection {
                    Connection::Lost { .. } => true,
                    Connection::Connecting | Connection::Live => false,
                });
            });
        });
    }

    fn take(self, event: &LiveEvent) {
        match event {
            LiveEvent::Action(_) => {}
            LiveEvent::Tick(t) => self.as_of_ms.set(Some(*t)),
            LiveEvent::Delta(delta) => self.change(|view| view.apply(delta), Some(delta)),
            LiveEvent::Snapshot(snapshot) => {
                let ids = |v: &OverviewView| v.tiles().map(|t| t.id.clone()).collect::<Vec<_>>();
                if self.view.with_value(ids) == ids(snapshot) {
                    self.change(|view| view.clone_from(snapshot), None);
                } else {
                    // The console was started with another set of metrics: the page has other tiles now.
                    live::reload();
                }
            }
        }
    }

    /// Changes the view and passes on what came out differently. `delta` spares the comparison of what it does not
    /// mention.
    fn change(self, change: impl FnOnce(&mut OverviewView), delta: Option<&DeltaView>) {
        self.view.update_value(change);
        let mut announcements = Vec::new();
        self.view.with_value(|view| {
            self.tiles.with_value(|signals| {
                for (signal, tile) in signals.iter().zip(view.tiles()) {
                    let before = signal.with_untracked(|t| t.band);
                    if before != tile.band {
                        announcements.push(format!(
                            "{}: {}, was {}",
                            tile.title,
                            tile.band.word(),
                            before.word()
                        ));
                    }
                    if signal.with_untracked(|t| t != tile) {
                        signal.set(tile.clone());
                    }
                }
            });
            if delta.is_none_or(|d| d.alerts.is_some()) {
                self.alerts.set(view.alerts.clone());
            }
            if delta.is_none_or(|d| d.sources.is_some()) {
                self.sources.set(view.sources.clone());
            }
            if delta.is_none_or(|d| d.databases.is_some()) {
                self.databases.set(view.databases.clone());
            }
            let summary = Summary::of(view);
            if self.summary.with_untracked(|s| *s != summary) {
                self.summary.set(summary);
            }
            self.as_of_ms.set(view.polled_at_ms);
        });
        if !announcements.is_empty() {
            self.announcement.set(announcements.join(". "));
        }
    }
}
