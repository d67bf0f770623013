//! The section `[journal]`: where it is written down what is done while the console's own database is away.

use std::path::PathBuf;

use serde::Deserialize;

/// The local journal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// The file, on a disk of this machine that outlives the console. One console has it at a time.
    pub path: PathBuf,
}
