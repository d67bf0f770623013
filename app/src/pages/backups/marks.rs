//! States as they are seen: shape, word and colour together.

use leptos::prelude::*;
use quarterdeck_domain::{backup::ExpectedState, health::Band};

/// Shape, word and colour of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) shape: &'static str,
    pub(super) word: &'static str,
    /// None for what is neither good nor bad.
    pub(super) band: Option<Band>,
}

const fn look(shape: &'static str, word: &'static str, band: Option<Band>) -> Look {
    Look { shape, word, band }
}

/// How a run or a drill stands.
pub(super) fn of_run(state: &str) -> Look {
    match state {
        "running" => look("▸", "running", None),
        "succeeded" => look("✓", "succeeded", Some(Band::Ok)),
        "failed" => look("✕", "failed", Some(Band::Alert)),
        "cancelled" => look("⊘", "cancelled", None),
        "lost" => look("✕", "lost", Some(Band::Alert)),
        _ => look("?", "not known", Some(Band::Unknown)),
    }
}

/// What is known of a copy.
pub(super) fn of_copy(condition: &str) -> Look {
    match condition {
        "good" => look("✓", "verified", Some(Band::Ok)),
        "unverified" => look("?", "not verified", Some(Band::Unknown)),
        "damaged" => look("✕", "damaged", Some(Band::Alert)),
        _ => look("?", "not known", Some(Band::Unknown)),
    }
}

/// What became of a time of the schedule.
pub(super) const fn of_time(state: ExpectedState) -> Look {
    match state {
        ExpectedState::Ran => look("✓", "ran", Some(Band::Ok)),
        ExpectedState::Late => look("▲", "late", Some(Band::Degraded)),
        ExpectedState::Failed => look("✕", "failed", Some(Band::Alert)),
        ExpectedState::Missed => look("–", "missed", Some(Band::Alert)),
        ExpectedState::Unverified => look("?", "unverified", Some(Band::Unknown)),
        ExpectedState::Running => look("▸", "running", None),
        ExpectedState::Upcoming => look("·", "to come", None),
    }
}

/// A state.
#[component]
pub(super) fn Mark(
    /// How it looks.
    look: Look,
) -> impl IntoView {
    view! {
        <span class="backup-mark" data-band=look.band.map(Band::as_str)>
            <span aria-hidden="true">{look.shape}</span>
            <span>{look.word}</span>
        </span>
    }
}
