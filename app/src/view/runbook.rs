//! A runbook to read.

/// A runbook, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookView {
    /// Its first heading.
    pub title: String,
    /// The rest as HTML, made by the server from a file of its own.
    pub html: String,
}
