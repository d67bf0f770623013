//! How an execution ended.

use serde::{Deserialize, Serialize};

/// How an execution ended, as the worker saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "of", rename_all = "snake_case")]
pub enum Outcome {
    /// Done and verified.
    Succeeded {
        /// What was done.
        summary: String,
    },
    /// Known to have failed.
    Failed(Failure),
    /// Not known.
    Unknown {
        /// The step.
        step: String,
        /// What is known.
        known: String,
    },
}

impl Outcome {
    /// The step that it ended at; none where it is done, or nothing was begun.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Succeeded { .. } => None,
            Self::Failed(failure) => failure.step(),
            Self::Unknown { step, .. } => Some(step),
        }
    }
}

/// What went wrong in an action that failed. In each case it is known what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum Failure {
    /// No step was begun: nothing was done.
    NotBegun {
        /// Why.
        reason: String,
    },
    /// A step failed.
    Step {
        /// Which.
        step: String,
        /// Why, and what that leaves.
        reason: String,
    },
    /// A person stopped it between two steps.
    Stopped {
        /// Who.
        by: String,
        /// The step that was not begun.
        before: String,
    },
}

impl Failure {
    /// The step that failed or was not begun; none where nothing was.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::NotBegun { .. } => None,
            Self::Step { step, .. } => Some(step),
            Self::Stopped { before, .. } => Some(before),
        }
    }
}
