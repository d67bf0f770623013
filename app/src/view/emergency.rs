//! Acting without the console's own database, as it travels.

use serde::{Deserialize, Serialize};

use super::action::{ActionStateView, PlanView, StepView};

/// What would happen, and the form for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyProposalView {
    /// A new id for the action; sent twice, it is done once.
    pub id: String,
    /// What would happen.
    pub plan: PlanView,
    /// The reason of the gate that refuses it, if one does.
    pub refused: Option<String>,
}

/// An action as the journal tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryView {
    /// Its id.
    pub id: String,
    /// The kind's name.
    pub title: String,
    /// What is acted on.
    pub object: String,
    /// Who began it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, Unix ms.
    pub at_ms: i64,
    /// Where it is.
    pub state: ActionStateView,
    /// What that means, in sentences.
    pub explanation: String,
    /// The steps, those to come included.
    pub steps: Vec<StepView>,
    /// How a person finds out what happened, where the console does not know.
    pub how_to_check: Option<String>,
    /// Whether it is in the audit log by now.
    pub merged: bool,
}

/// The page `/emergency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyView {
    /// Whether the ordinary way is open.
    pub database_answers: bool,
    /// What stands against acting now, without a full stop; none if nothing does.
    pub obstacle: Option<String>,
    /// What would happen, or why no plan could be made. None where nothing was asked for.
    pub proposal: Option<Result<EmergencyProposalView, String>>,
    /// What the journal tells, the newest first.
    pub stories: Vec<StoryView>,
    /// Now, Unix ms.
    pub now_ms: i64,
}
