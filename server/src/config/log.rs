//! The section `[log]`: what is logged, and how.

use serde::Deserialize;

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A filter in the syntax of `RUST_LOG`, which overrides it: `info`, `quarterdeck=debug,info`.
    pub filter: String,
    /// The shape of a line.
    pub format: LogFormat,
}

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line, in the fields of the handbook.
    Json,
    /// For a person at a terminal.
    Text,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Json,
        }
    }
}
