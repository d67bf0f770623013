//! What a page tells a person when something cannot be shown.

use serde::{Deserialize, Serialize};

/// Why the console cannot answer. The text says what happened, what it means and what to do; details are in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ConsoleError {
    /// Nobody is signed in.
    #[error("You are signed out. Sign in again to go on.")]
    SignedOut,
    /// The account may not do this.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Something has changed since the person looked.
    #[error("{0}")]
    Conflict(String),
    /// Something that is needed does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of the console itself.
    #[error(
        "The console failed at this. Nothing was changed. The server log has the details under trace id {trace_id}."
    )]
    Internal {
        /// The trace to look for.
        trace_id: String,
    },
}

impl ConsoleError {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::SignedOut => 401,
            Self::Refused(_) => 403,
            Self::NotFound(_) => 404,
            Self::BadRequest(_) => 400,
            Self::Conflict(_) => 409,
            Self::Unavailable(_) => 503,
            Self::Internal { .. } => 500,
        }
    }
}
