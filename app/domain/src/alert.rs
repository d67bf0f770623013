//! Alerts as Prometheus and Alertmanager report them.

use serde::{Deserialize, Serialize};

/// How urgent an alert rule says it is. Rules without a severity label count as warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Severity {
    /// To be known, not to be acted on; the dead-man's switch is one.
    Info,
    /// To be looked at today.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// Reads the `severity` label.
    #[must_use]
    pub fn from_label(label: Option<&str>) -> Self {
        match label {
            Some("critical" | "page" | "emergency") => Self::Critical,
            Some("info" | "none") => Self::Info,
            Some(_) | None => Self::Warning,
        }
    }

    /// The word shown to a person, and the CSS class.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AlertState {
    /// Its expression holds, but not yet for as long as its rule asks.
    Pending,
    /// It fires.
    Firing,
    /// It fires, and Alertmanager has a silence for it: nobody is notified.
    Silenced,
    /// It fires, and another alert inhibits its notification.
    Inhibited,
}

impl AlertState {
    /// The word shown to a person, and the CSS class.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
        }
    }

    /// Rank for the order on a page: what fires first.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Firing => 0,
            Self::Inhibited => 1,
            Self::Silenced => 2,
            Self::Pending => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_severity_is_a_warning() {
        assert_eq!(Severity::from_label(None), Severity::Warning);
        assert_eq!(Severity::from_label(Some("anything")), Severity::Warning);
        assert_eq!(Severity::from_label(Some("critical")), Severity::Critical);
        assert!(Severity::Critical > Severity::Warning);
    }
}
