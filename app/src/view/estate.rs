//! What surrounds the metrics: alerts, sources, database nodes.

use quarterdeck_domain::{
    action::ActionKind,
    alert::{AlertState, Severity},
    cluster::{NodeSight, Part, PrimaryState},
    health::Band,
};
use serde::{Deserialize, Serialize};

use super::topology::{TopologyNodeView, TopologyView};

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

/// A node of the watched PostgreSQL cluster, in short: see [`TopologyView`] for all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DatabaseNodeView {
    /// Its name in the configuration.
    pub name: String,
    /// How it is, as the topology concludes.
    pub band: Band,
    /// What is wrong with it, a sentence each.
    pub faults: Vec<String>,
    /// What it is at present.
    pub role: DatabaseRole,
}

impl DatabaseNodeView {
    /// All nodes in short. `before` is how they were shown last: it keeps the time since when one does not answer.
    #[must_use]
    pub fn all(sights: &[NodeSight], at_ms: i64, before: &[Self]) -> Vec<Self> {
        let topology = TopologyView::new(sights, at_ms);
        let of = |(node, sight): (TopologyNodeView, &NodeSight)| {
            let role = match &sight.answer {
                Err(error) => DatabaseRole::Unreachable {
                    error: error.clone(),
                    since_ms: Some(silent_since(&node.name, before).unwrap_or(at_ms)),
                },
                Ok(state) => match &state.part {
                    Part::Primary(primary) => DatabaseRole::Primary {
                        streaming_standbys: streaming(primary),
                    },
                    Part::Standby(standby) => DatabaseRole::Standby {
                        lag_bytes: node
                            .behind
                            .map(|behind| i64::try_from(behind.to_replay_bytes).unwrap_or(i64::MAX)),
                        last_message_age_ms: standby
                            .receiver
                            .as_ref()
                            .filter(|receiver| receiver.status == "streaming")
                            .and_then(|receiver| receiver.last_message_age_ms)
                            .map(|age| age.max(0)),
                    },
                },
            };
            let unmeasured = matches!(role, DatabaseRole::Standby { lag_bytes: None, .. });
            Self {
                band: match node.band {
                    // With no primary to hold it against nobody knows how it is.
                    Band::Ok if unmeasured => Band::Unknown,
                    band => band,
                },
                name: node.name,
                faults: node.faults,
                role,
            }
        };
        topology.nodes.into_iter().zip(sights).map(of).collect()
    }
}

/// Standbys that stream from it; base backups and archivers are not counted.
fn streaming(primary: &PrimaryState) -> u32 {
    let standbys = primary.followers.iter().filter(|follower| {
        follower.state == "streaming" && !["pg_basebackup", "pg_receivewal"].contains(&&*follower.application)
    });
    u32::try_from(standbys.count()).unwrap_or(u32::MAX)
}

fn silent_since(name: &str, before: &[DatabaseNodeView]) -> Option<i64> {
    let node = before.iter().find(|node| node.name == name)?;
    match &node.role {
        DatabaseRole::Unreachable { since_ms, .. } => *since_ms,
        DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. } => None,
    }
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

#[cfg(test)]
mod tests {
    use quarterdeck_domain::cluster::{Follower, Lsn, NodeState, Receiver, StandbyState};

    use super::*;

    fn node(name: &str, timeline: i32, part: Part) -> NodeSight {
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Ok(NodeState {
                system_identifier: Some(1),
                version: 15,
                timeline: Some(timeline),
                read_only: false,
                part,
                slots: vec![],
                archiver: None,
            }),
        }
    }

    fn follower(application: &str) -> Follower {
        Follower {
            application: application.into(),
            address: None,
            state: "streaming".into(),
            sync_state: "async".into(),
            sent: None,
            flushed: None,
            replayed: None,
            replay_lag_ms: None,
            reply_age_ms: None,
        }
    }

    fn primary(name: &str, timeline: i32) -> NodeSight {
        let part = Part::Primary(PrimaryState {
            flushed: Lsn::from_bytes(1_000),
            followers: vec![follower("b"), follower("pg_basebackup")],
            synchronous_standby_names: String::new(),
            oldest_transaction_ms: None,
            base_backup: false,
        });
        node(name, timeline, part)
    }

    fn standby(name: &str, replayed: u64, heard_ms: i64) -> NodeSight {
        let position = Some(Lsn::from_bytes(replayed));
        let part = Part::Standby(StandbyState {
            received: position,
            replayed: position,
            receiver: Some(Receiver {
                status: "streaming".into(),
                sender_host: None,
                sender_port: None,
                slot: None,
                last_message_age_ms: Some(heard_ms),
                reported: position,
            }),
            last_transaction_age_ms: None,
            replay_paused: false,
            synchronous_standby_names: String::new(),
        });
        node(name, 1, part)
    }

    fn silent(name: &str) -> NodeSight {
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Err("cannot be reached: Connection refused".into()),
        }
    }

    #[test]
    fn a_pair_that_is_well_has_its_standbys_counted_and_its_lag_measured() {
        let all = DatabaseNodeView::all(&[primary("a", 1), standby("b", 900, 40)], 5, &[]);
        assert_eq!(
            all.iter().map(|node| (node.band, &node.role)).collect::<Vec<_>>(),
            [
                (
                    Band::Ok,
                    &DatabaseRole::Primary {
                        streaming_standbys: 1
                    }
                ),
                (
                    Band::Ok,
                    &DatabaseRole::Standby {
                        lag_bytes: Some(100),
                        last_message_age_ms: Some(40)
                    }
                )
            ]
        );
    }

    #[test]
    fn a_standby_whose_sender_hangs_is_not_well() {
        let all = DatabaseNodeView::all(&[primary("a", 1), standby("b", 1_000, 64_000)], 5, &[]);
        assert_eq!(all[1].band, Band::Degraded);
        assert!(
            all[1].faults[0].contains("has heard nothing"),
            "{:?}",
            all[1].faults
        );
    }

    #[test]
    fn two_that_take_writes_are_both_red_and_a_standby_without_a_primary_is_not_known() {
        let all = DatabaseNodeView::all(&[primary("a", 1), primary("b", 2)], 5, &[]);
        assert!(all.iter().all(|node| node.band == Band::Alert), "{all:?}");
        let all = DatabaseNodeView::all(&[silent("a"), standby("b", 1_000, 40)], 5, &[]);
        assert_eq!((all[0].band, all[1].band), (Band::Unknown, Band::Unknown));
    }

    #[test]
    fn silence_is_dated_from_its_beginning() {
        let first = DatabaseNodeView::all(&[silent("a")], 1_000, &[]);
        let second = DatabaseNodeView::all(&[silent("a")], 61_000, &first);
        assert_eq!(first, second);
        assert!(
            matches!(
                &second[0].role,
                DatabaseRole::Unreachable {
                    since_ms: Some(1_000),
                    ..
                }
            ),
            "{second:?}"
        );
    }
}
