//! Patroni's REST API: how it sees the cluster, and telling it to change the leader.

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use quarterdeck_domain::failover::{PatroniCluster, PatroniMember, PatroniRole};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    http_source::{HttpSource, HttpSourceSetupError, excerpt},
    install_tls_provider,
};
use crate::config::patroni::PatroniConfig;

/// What Patroni is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderChange<'a> {
    /// The leader steps down in order for the candidate, both by the nodes' names.
    Switchover {
        /// The leader.
        leader: &'a str,
        /// The one that takes its part.
        candidate: &'a str,
    },
    /// The candidate becomes the leader, whatever the old one is.
    Failover {
        /// The one that takes the part.
        candidate: &'a str,
    },
}

/// Why Patroni did not say that it changed the leader. No text has a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaderChangeError {
    /// It does not do it, and says why.
    #[error("{0}")]
    Refused(String),
    /// It was told, and it is not known what came of that.
    #[error("{0}")]
    Unanswered(String),
}

/// One member's API.
#[derive(Debug)]
struct Member {
    node: String,
    name: String,
    /// For questions, which are answered at once.
    asked: HttpSource,
    /// For changes, which are answered when they are through.
    told: HttpSource,
}

/// The members' APIs.
#[derive(Debug)]
pub struct Patroni {
    members: Vec<Member>,
    patience: Duration,
}

impl Patroni {
    /// Prepares; nothing is asked yet.
    ///
    /// # Errors
    /// [`HttpSourceSetupError`].
    pub fn new(config: &PatroniConfig) -> Result<Self, HttpSourceSetupError> {
        install_tls_provider();
        let member = |member| {
            let mut source = config.source(member);
            let asked = HttpSource::new(&source)?;
            source.timeout_s = config.change_timeout().as_secs_f64();
            Ok(Member {
                node: member.node.clone(),
                name: member.name().to_owned(),
                asked,
                told: HttpSource::new(&source)?,
            })
        };
        let members = config.members.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Self {
            members,
            patience: config.change_timeout(),
        })
    }

    /// How long a change may take.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// The cluster as the member sees it that answers first.
    ///
    /// # Errors
    /// What each member said instead, in words without a full stop.
    pub async fn cluster(&self) -> Result<PatroniCluster, String> {
        let mut asked: FuturesUnordered<_> = self
            .members
            .iter()
            .map(|member| async move { (member, self.seen_by(member).await) })
            .collect();
        let mut silences = Vec::new();
        while let Some((member, seen)) = asked.next().await {
            match seen {
                Ok(cluster) => return Ok(cluster),
                Err(silence) => silences.push(format!("on {} {silence}", member.node)),
            }
        }
        Err(silences.join("; "))
    }

    async fn seen_by(&self, member: &Member) -> Result<PatroniCluster, String> {
        let answer = member
            .asked
            .get("/cluster", &[])
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(answer.into_status_error().to_string());
        }
        let raw: RawCluster = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("its answer cannot be understood: {error}"))?;
        Ok(raw.into_cluster(|name| {
            let known = self.members.iter().find(|member| member.name == name);
            known.map_or(name, |member| &member.node).to_owned()
        }))
    }

    /// Tells the candidate's Patroni to change the leader, and waits for its answer, which it gives when it is through. Answers
    /// what it said.
    ///
    /// # Errors
    /// [`LeaderChangeError`].
    pub async fn change(&self, change: LeaderChange<'_>) -> Result<String, LeaderChangeError> {
        let refused = |text: String| LeaderChangeError::Refused(text);
        let member = |node: &str| {
            let known = self.members.iter().find(|member| member.node == node);
            known.ok_or_else(|| refused(format!("{node} is no member, see [failover.patroni]")))
        };
        let (path, candidate, body) = match change {
            LeaderChange::Switchover { leader, candidate } => {
                let (leader, candidate) = (member(leader)?, member(candidate)?);
                let body = json!({ "leader": leader.name, "candidate": candidate.name });
                ("/switchover", candidate, body)
            }
            LeaderChange::Failover { candidate } => {
                let candidate = member(candidate)?;
                ("/failover", candidate, json!({ "candidate": candidate.name }))
            }
        };
        // Whoever does not answer this has not been told anything.
        self.seen_by(candidate).await.map_err(|silence| {
            refused(format!(
                "Patroni on {} does not answer: {silence}",
                candidate.node
            ))
        })?;
        match candidate.told.post_json(path, &body).await {
            Err(error) => Err(LeaderChangeError::Unanswered(format!(
                "Patroni on {} was told, and then {error}",
                candidate.node
            ))),
            Ok(answer) => {
                let said = format!(
                    "Patroni on {} says \"{}\"",
                    candidate.node,
                    excerpt(&answer.body).trim_end_matches('.')
                );
                // It answers 503 to what failed, and to what it has not seen the end of.
                let sure = answer.status.is_client_error() || said.ends_with("failed\"");
                if answer.status.is_success() {
                    Ok(said)
                } else if sure {
                    Err(refused(format!("{said} (status {})", answer.status.as_u16())))
                } else {
                    Err(LeaderChangeError::Unanswered(format!(
                        "{said} (status {})",
                        answer.status.as_u16()
                    )))
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct RawCluster {
    members: Vec<RawMember>,
    #[serde(default)]
    pause: bool,
}

#[derive(Deserialize)]
struct RawMember {
    name: String,
    role: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    timeline: Option<i64>,
    /// A number, or the word `unknown`.
    #[serde(default)]
    lag: Value,
    #[serde(default)]
    tags: RawTags,
}

#[derive(Default, Deserialize)]
struct RawTags {
    /// A flag that people write in several ways.
    #[serde(default)]
    nofailover: Value,
}

impl RawCluster {
    fn into_cluster(self, node: impl Fn(&str) -> String) -> PatroniCluster {
        let members = self.members.into_iter().map(|raw| PatroniMember {
            name: node(&raw.name),
            role: match raw.role.as_str() {
                "leader" => PatroniRole::Leader,
                "standby_leader" => PatroniRole::StandbyLeader,
                "sync_standby" | "quorum_standby" => PatroniRole::SyncStandby,
                _ => PatroniRole::Replica,
            },
            state: raw.state,
            timeline: raw.timeline,
            lag: raw.lag.as_u64(),
            nofailover: match raw.tags.nofailover {
                Value::Null => false,
                Value::Bool(set) => set,
                Value::String(text) => {
                    !matches!(text.to_lowercase().as_str(), "" | "false" | "no" | "off" | "0")
                }
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::Array(_) | Value::Object(_) => true,
            },
        });
        PatroniCluster {
            members: members.collect(),
            paused: self.pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_answer_is_read_as_it_was_given_by_a_real_one() {
        let text = r#"{"members": [
            {"name": "pg-a", "role": "leader", "state": "running", "api_url": "http://127.0.0.1:1/patroni", "host": "127.0.0.1", "port": 2, "timeline": 3},
            {"name": "pg-b", "role": "replica", "state": "running", "api_url": "http://127.0.0.1:3/patroni", "timeline": 3, "tags": {"nofailover": true}, "lag": 16},
            {"name": "pg-c", "role": "sync_standby", "state": "stopped", "lag": "unknown"}], "pause": true}"#;
        let raw: RawCluster = serde_json::from_str(text).unwrap();
        let cluster = raw.into_cluster(|name| name.replace("pg-", "db-"));
        assert!(cluster.paused);
        assert_eq!(cluster.leader().unwrap().name, "db-a");
        let shown: Vec<_> = cluster.members.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "leader, running, timeline 3",
                "replica, running, timeline 3, 16 bytes behind, tagged nofailover",
                "sync_standby, stopped",
            ]
        );
    }
}
