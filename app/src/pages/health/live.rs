//! The head of a metric's page: how it is now.

use leptos::prelude::*;

use crate::{
    components::{
        band::BandBadge,
        moment::{Clock, clock_time, run_clock},
        sent::Sent,
    },
    live::{self, Connection, LiveEvent},
    pages::overview::{Since, Value, note},
    view::health::{DeltaView, OverviewView, TileView},
};

/// Value, band, since when and what else there is to say; kept up to date by the event stream.
#[island]
pub fn MetricLive(
    /// The metric when the page was made.
    tile: Sent<TileView>,
    /// Id of the event that the tile is as of.
    event_id: String,
    /// Time between two polls, ms.
    poll_interval_ms: u32,
    /// When the page was made, Unix ms.
    rendered_at_ms: i64,
) -> impl IntoView {
    let Sent(tile) = tile;
    let limit_ms = live::QUIET_LIMIT_MS.max(i64::from(poll_interval_ms) * 3);
    let thresholds = (
        tile.thresholds.target_text(tile.unit),
        tile.thresholds.alert_text(tile.unit),
    );
    let tile = RwSignal::new(tile);
    let clock = RwSignal::new(Clock::at(rendered_at_ms));
    let as_of_ms = RwSignal::new(rendered_at_ms);
    let lost = RwSignal::new(false);
    let announcement = RwSignal::new(String::new());
    run_clock(clock);
    Effect::new(move |_| {
        live::follow(&event_id, move |event| {
            let before = tile.with_untracked(|t| t.band);
            match event {
                LiveEvent::Delta(delta) => {
                    as_of_ms.set(delta.polled_at_ms);
                    tile.update(|t| apply(t, delta));
                }
                LiveEvent::Snapshot(view) => {
                    if let Some(t) = view.polled_at_ms {
                        as_of_ms.set(t);
                    }
                    tile.update(|t| replace(t, view));
                }
                LiveEvent::Action(_) => {}
                LiveEvent::Tick(t) => as_of_ms.set(*t),
            }
            let (title, after) = tile.with_untracked(|t| (t.title.clone(), t.band));
            if before != after {
                announcement.set(format!("{title}: {}, was {}", after.word(), before.word()));
            }
        });
        live::on_connection(move |connection| {
            lost.set(match connection {
                Connection::Lost { .. } => true,
                Connection::Connecting | Connection::Live => false,
            });
        });
    });
    let stale = Memo::new(move |_| lost.get() || clock.get().now_ms - as_of_ms.get() > limit_ms);
    let band = Memo::new(move |_| tile.read().band);
    let note = Memo::new(move |_| tile.with(note));
    view! {
        <div class="metric-now" class:is-stale=move || stale.get() data-band=move || band.get().as_str()>
            <Value tile />
            <p class="metric-band">
                <BandBadge band=band />
                <Since tile clock />
            </p>
            <p class="metric-thresholds">
                <span>"target "<b>{thresholds.0}</b></span>
                <span>"alert "<b>{thresholds.1}</b></span>
            </p>
            <p class="metric-note">
                {move || if stale.get() {
                    format!("Not current: as of {}", clock_time(as_of_ms.get(), clock.get().zone))
                } else {
                    note.read().text()
                }}
            </p>
            <p class="hidden" aria-live="polite">{move || announcement.get()}</p>
        </div>
    }
}

fn apply(tile: &mut TileView, delta: &DeltaView) {
    if let Some(change) = delta.tiles.get(&tile.id) {
        tile.apply(change, delta.polled_at_ms);
    } else if let Some(value) = delta.values.get(&tile.id) {
        tile.value = Some(*value);
        tile.sampled_at_ms = Some(delta.polled_at_ms);
    }
}

fn replace(tile: &mut TileView, view: &OverviewView) {
    if let Some(new) = view.tiles().find(|t| t.id == tile.id) {
        tile.clone_from(new);
    }
}
