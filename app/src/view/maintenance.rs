//! Maintenance mode as pages and the API show it.

use quarterdeck_domain::maintenance::{Mode, ProbeKind, Stage};
use serde::{Deserialize, Serialize};

/// What the event stream calls it among the actions that something happens to.
pub const EVENT: &str = "maintenance";

/// All that is known of maintenance mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MaintenanceView {
    /// The mode as it was seen last.
    pub mode: Mode,
    /// Since when, Unix ms, as far as is known.
    pub since_ms: Option<i64>,
    /// Whether it was brought about by other means than the console.
    pub elsewhere: bool,
    /// The maintenance that is on, if the console switched it on.
    pub held: Option<HeldView>,
    /// The action that is about to switch it.
    pub switching: Option<ActionLinkView>,
    /// What it is switched by, in a sentence.
    pub driver: String,
    /// Where it is kept, and what stands there.
    pub places: Vec<PlaceView>,
    /// What was seen from outside at the last look.
    pub probes: Vec<ProbeView>,
    /// When that was, Unix ms; `None` before the first.
    pub looked_at_ms: Option<i64>,
    /// What does not fit together, in words; `None` if all is as it should be.
    pub problem: Option<String>,
}

/// A maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct HeldView {
    /// The action that switched it on.
    pub action: ActionLinkView,
    /// Who started it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What users are told.
    pub message: String,
    /// When it should be over, Unix ms.
    pub expected_end_ms: i64,
    /// How far it is.
    pub stage: Stage,
    /// How many silences were made for it.
    pub silences: u32,
}

/// An action, to be linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ActionLinkView {
    /// Its id; the page is `/actions/<id>`.
    pub id: String,
    /// Its number.
    pub number: i64,
}

/// A place where the mode is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct PlaceView {
    /// Its name.
    pub title: String,
    /// The mode there.
    pub mode: Mode,
    /// What stands there, or why it can't be read.
    pub value: String,
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ProbeView {
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub kind: ProbeKind,
    /// What it should see in the present mode; `None` while that is not known.
    pub expected: Option<String>,
    /// What it saw.
    pub seen: String,
    /// Whether the one is the other; `None` while the mode is not known.
    pub fits: Option<bool>,
}
