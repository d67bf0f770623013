//! The section `[database_sessions]`: what is shown of the watched database's sessions, and which are never ended.

use std::time::Duration;

use quarterdeck_domain::database::ProtectionRules;
use serde::Deserialize;

/// What is shown of sessions, and which are never ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSessionsConfig {
    /// Whether literals in queries are shown as `?`. They hold names, tokens and passwords.
    pub redact_literals: bool,
    /// From what age on a query is called long, and the limit that "terminate all active longer than" proposes; seconds.
    pub long_running_s: u32,
    /// Applications, by the exact name that they give PostgreSQL, that are never cancelled or terminated.
    pub protected_applications: Vec<String>,
}

impl Default for DatabaseSessionsConfig {
    fn default() -> Self {
        Self {
            redact_literals: true,
            long_running_s: 300,
            protected_applications: ProtectionRules::default().applications,
        }
    }
}

impl DatabaseSessionsConfig {
    /// From what age on a query is called long.
    #[must_use]
    pub fn long_running(&self) -> Duration {
        Duration::from_secs(u64::from(self.long_running_s))
    }

    /// Who is protected besides what always is.
    #[must_use]
    pub fn rules(&self) -> ProtectionRules {
        ProtectionRules {
            applications: self.protected_applications.clone(),
        }
    }
}
