//! What surrounds the metrics: alerts, sources, database nodes.

use quarterdeck_domain::{
    action::ActionKind,
    alert::{AlertState, Severity},
};
use serde::{Deserialize, Serialize};

/// The alerts, and whether they may be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum AlertsView {
    /// As of the last poll. Firing first, then by severity and name.
    Known {
        /// The alerts.
        alerts: Vec<AlertView>,
    },
    /// Prometheus does not answer: what fires is not known. (Alertmanager would report false "resolved" after a
    /// few minutes, so it is not asked in its stead.)
    Unknown {
        /// What was known last; may have changed since.
        last_known: Vec<AlertView>,
        /// Since when nothing is known, Unix ms; `None` if nothing ever was.
        since_ms: Option<i64>,
    },
}

impl AlertsView {
    /// Alerts that fire and are neither silenced nor inhibited, and how many of them are critical. What was known
    /// last counts no more.
    #[must_use]
    pub fn firing(&self) -> (u32, u32) {
        let Self::Known { alerts } = self else {
            return (0, 0);
        };
        let firing = alerts
            .iter()
            .filter(|a| a.state == AlertState::Firing && a.severity != Severity::Info);
        firing.fold((0, 0), |(all, critical), a| {
            (all + 1, critical + u32::from(a.severity == Severity::Critical))
        })
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AlertView {
    /// Name of its rule.
    pub name: String,
    /// How urgent.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: AlertState,
    /// Since when its expression holds, Unix ms.
    pub active_since_ms: i64,
    /// Its summary, or its description.
    pub summary: String,
    /// What tells it apart from others of its rule: `instance=…, pod=…`.
    pub labels: String,
    /// The metric of the profile that it is about, if it says so.
    pub metric: Option<String>,
    /// Its runbook.
    pub runbook: Option<String>,
    /// The guarded actions that can help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionKind>,
}

/// Something that the console asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct SourceView {
    /// What it is: `Prometheus`, `Alertmanager`, `Console database`, `Redis`, ….
    pub name: String,
    /// How it is.
    pub state: SourceState,
    /// Last answer, Unix ms; updated at changes of state only, so that it is not pushed at every poll.
    pub since_ms: Option<i64>,
    /// What its loss takes away, or what is wrong: shown when it is not up.
    pub note: Option<String>,
}

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum SourceState {
    /// Answers.
    Up,
    /// Does not answer, or answers with errors.
    Down,
    /// Not asked yet.
    Unknown,
    /// Not configured: the console does without.
    NotConfigured,
}

impl SourceState {
    /// The word shown to a person.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "answers",
            Self::Down => "down",
            Self::Unknown => "not asked yet",
            Self::NotConfigured => "not configured",
        }
    }
}

/// A node of the watched PostgreSQL cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DatabaseNodeView {
    /// Its name in the configuration.
    pub name: String,
    /// What it is at present.
    pub role: DatabaseRole,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum DatabaseRole {
    /// Takes writes.
    Primary {
        /// Standbys that stream from it now.
        streaming_standbys: u32,
    },
    /// Follows a primary.
    Standby {
        /// WAL received but not replayed plus WAL not received, as far as both ends tell; bytes. `None` when the primary
        /// cannot be asked.
        lag_bytes: Option<i64>,
        /// Age of the last message of the WAL receiver, ms; `None` when it is not connected: then the standby falls behind.
        last_message_age_ms: Option<i64>,
    },
    /// Does not answer.
    Unreachable {
        /// What happened, in words that hold no secret.
        error: String,
        /// Since when, Unix ms.
        since_ms: Option<i64>,
    },
}
