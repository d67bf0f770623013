//! What the nodes make of themselves together.

use super::{Archiver, NodeSight, NodeState, Part, PrimaryState, StandbyState};

/// For so long a connected standby may hear nothing, ms. An idle primary speaks at half of its `wal_sender_timeout`, which
/// is 30 s by default; after 60 s the standby hangs up by itself.
pub(super) const SILENCE_MS: i64 = 35_000;

/// What is to be thought of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyVerdict {
    /// No node is configured.
    NoNodes,
    /// One primary, and every standby streams from it.
    Healthy {
        /// The primary.
        primary: String,
    },
    /// One primary, and something that would be missed in a failover.
    Degraded {
        /// The primary.
        primary: String,
        /// What is wrong, in sentences.
        why: Vec<String>,
    },
    /// Nobody takes writes.
    NoPrimary {
        /// What is wrong, in sentences.
        why: Vec<String>,
    },
    /// Several take writes: what clients write depends on whom they reach.
    SplitBrain {
        /// All of them.
        primaries: Vec<String>,
    },
}

/// The nodes, seen together.
#[derive(Debug, Clone, Copy)]
pub struct Topology<'a> {
    nodes: &'a [NodeSight],
}

impl<'a> Topology<'a> {
    /// Of these nodes.
    #[must_use]
    pub const fn new(nodes: &'a [NodeSight]) -> Self {
        Self { nodes }
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&'a NodeSight> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Everybody who is not in recovery, whether it may be written to or not.
    pub fn primaries(&self) -> impl Iterator<Item = (&'a NodeSight, &'a NodeState, &'a PrimaryState)> {
        self.nodes
            .iter()
            .filter_map(|node| node.primary().map(|(state, primary)| (node, state, primary)))
    }

    /// Those of them that take writes.
    pub fn writable(&self) -> impl Iterator<Item = &'a NodeSight> {
        self.primaries()
            .filter(|(_, state, _)| !state.read_only)
            .map(|(node, _, _)| node)
    }

    /// The one that counts: on the highest timeline. None if there is none, or two on the same one.
    #[must_use]
    pub fn primary(&self) -> Option<(&'a NodeSight, &'a NodeState, &'a PrimaryState)> {
        let highest = self.primaries().map(|(_, state, _)| state.timeline).max()?;
        let mut on_it = self.primaries().filter(|(_, state, _)| state.timeline == highest);
        match (on_it.next(), on_it.next()) {
            (Some(primary), None) => Some(primary),
            (Some(_) | None, _) => None,
        }
    }

    /// Bytes that a standby has yet to receive and to replay, against the primary that counts. None if either is not
    /// known or they are of different clusters.
    #[must_use]
    pub fn behind(&self, name: &str) -> Option<(u64, u64)> {
        let (_, of_primary, primary) = self.primary()?;
        let (of_standby, standby) = self.node(name)?.standby()?;
        if !same_cluster(of_primary, of_standby) {
            return None;
        }
        let received = standby.position()?;
        let replayed = standby.replayed.unwrap_or(received);
        // The two were not asked at the same instant: a standby can seem to be ahead.
        Some((primary.flushed.since(received), primary.flushed.since(replayed)))
    }

    /// What is to be thought of it.
    #[must_use]
    pub fn verdict(&self) -> TopologyVerdict {
        if self.nodes.is_empty() {
            return TopologyVerdict::NoNodes;
        }
        let writable: Vec<_> = self.writable().map(|node| node.name.clone()).collect();
        if writable.len() > 1 {
            return TopologyVerdict::SplitBrain { primaries: writable };
        }
        let mut why: Vec<String> = self.faults().into_iter().map(|(_, fault)| fault).collect();
        let Some(primary) = writable.into_iter().next() else {
            if why.is_empty() {
                why.push("No node takes writes.".to_owned());
            }
            return TopologyVerdict::NoPrimary { why };
        };
        if why.is_empty() {
            TopologyVerdict::Healthy { primary }
        } else {
            TopologyVerdict::Degraded { primary, why }
        }
    }

    /// What is wrong with single nodes: the node's name, and a sentence.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let counted = self.primary();
        let mut faults = Vec::new();
        for node in self.nodes {
            let mut fault = |text: String| faults.push((node.name.clone(), text));
            let name = &node.name;
            let state = match &node.answer {
                Ok(state) => state,
                Err(silence) => {
                    fault(format!("{name} {silence}."));
                    continue;
                }
            };
            match counted {
                Some((primary, of_primary, _)) if primary.name != *name => {
                    if !same_cluster(of_primary, state) {
                        fault(format!(
                            "{name} belongs to another cluster than {}.",
                            primary.name
                        ));
                        continue;
                    }
                    if node.primary().is_some() && state.read_only {
                        fault(format!(
                            "{name} was a primary before {} (timeline {} against {}) and is kept read-only: it has to be made a standby.",
                            primary.name,
                            timeline_text(state),
                            timeline_text(of_primary)
                        ));
                    }
                }
                Some(_) | None => {}
            }
            match &state.part {
                Part::Primary(primary) => {
                    if let Some((needed, there)) = primary.hanging_commits() {
                        fault(format!(
                            "Commits on {name} hang: it waits for {needed} of {} (synchronous_standby_names), and {there} of them answer.",
                            primary.synchronous_standby_names
                        ));
                    }
                    if state.read_only && counted.is_none_or(|(counted, _, _)| counted.name == *name) {
                        fault(format!(
                            "{name} is a primary and takes no writes: transactions are read-only there."
                        ));
                    }
                    if state.archiver.as_ref().is_some_and(Archiver::is_failing) {
                        fault(format!("{name} can't archive its WAL."));
                    }
                    let lost = state
                        .slots
                        .iter()
                        .filter(|slot| slot.wal_status.as_deref() == Some("lost"));
                    for slot in lost {
                        fault(format!(
                            "The slot {} on {name} has lost WAL that it should keep.",
                            slot.name
                        ));
                    }
                }
                Part::Standby(standby) => faults.extend(faults_of(name, standby)),
            }
        }
        if let Some((node, _, primary)) = counted
            && primary.followers.is_empty()
        {
            faults.push((
                node.name.clone(),
                format!(
                    "No standby streams from {}: nobody could take its part.",
                    node.name
                ),
            ));
        }
        faults
    }
}

/// What is wrong with a standby.
fn faults_of(name: &str, standby: &StandbyState) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    match &standby.receiver {
        None => faults.push(format!(
            "{name} receives nothing from a primary, and falls behind."
        )),
        Some(receiver) if receiver.status != "streaming" => {
            faults.push(format!(
                "{name} does not stream: its WAL receiver is {}.",
                receiver.status
            ));
        }
        Some(receiver) => {
            let silent = receiver.last_message_age_ms.filter(|age| *age > SILENCE_MS);
            faults.extend(silent.map(|age| {
                format!(
                    "{name} has heard nothing from its primary for {} s, though it is connected: what was committed since may be missing there.",
                    age / 1000
                )
            }));
        }
    }
    if standby.replay_paused {
        faults.push(format!("{name} does not replay: somebody has paused it."));
    }
    faults.into_iter().map(|fault| (name.to_owned(), fault)).collect()
}

fn timeline_text(state: &NodeState) -> String {
    state
        .timeline
        .map_or_else(|| "not known".to_owned(), |timeline| timeline.to_string())
}

/// Whether two nodes belong to one cluster, as far as they say.
fn same_cluster(a: &NodeState, b: &NodeState) -> bool {
    match (a.system_identifier, b.system_identifier) {
        (Some(a), Some(b)) => a == b,
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Follower, Lsn, Receiver};

    fn state(timeline: i32, part: Part) -> NodeState {
        NodeState {
            system_identifier: Some(7),
            version: 15,
            timeline: Some(timeline),
            read_only: false,
            part,
            slots: vec![],
            archiver: None,
        }
    }

    fn primary(name: &str, timeline: i32, flushed: u64) -> NodeSight {
        let part = Part::Primary(PrimaryState {
            flushed: Lsn::from_bytes(flushed),
            followers: vec![Follower {
                application: "standby".into(),
                address: None,
                state: "streaming".into(),
                sync_state: "async".into(),
                sent: None,
                flushed: None,
                replayed: None,
                replay_lag_ms: None,
                reply_age_ms: None,
            }],
            synchronous_standby_names: String::new(),
            oldest_transaction_ms: None,
            base_backup: false,
        });
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Ok(state(timeline, part)),
        }
    }

    fn standby(name: &str, timeline: i32, received: u64, heard_ms: Option<i64>) -> NodeSight {
        let part = Part::Standby(StandbyState {
            received: Some(Lsn::from_bytes(received)),
            replayed: Some(Lsn::from_bytes(received)),
            receiver: heard_ms.map(|age| Receiver {
                status: "streaming".into(),
                sender_host: Some("127.0.0.1".into()),
                sender_port: Some(5432),
                slot: None,
                last_message_age_ms: Some(age),
                reported: Some(Lsn::from_bytes(received)),
            }),
            last_transaction_age_ms: None,
            replay_paused: false,
            synchronous_standby_names: String::new(),
        });
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Ok(state(timeline, part)),
        }
    }

    fn silent(name: &str) -> NodeSight {
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Err("cannot be reached: Connection refused".into()),
        }
    }

    fn read_only(mut node: NodeSight) -> NodeSight {
        if let Ok(state) = &mut node.answer {
            state.read_only = true;
        }
        node
    }

    #[test]
    fn a_pair_is_healthy_while_the_standby_streams() {
        let nodes = [primary("a", 1, 1000), standby("b", 1, 900, Some(40))];
        let topology = Topology::new(&nodes);
        assert_eq!(
            topology.verdict(),
            TopologyVerdict::Healthy { primary: "a".into() }
        );
        assert_eq!(topology.behind("b"), Some((100, 100)));
        let nodes = [primary("a", 1, 1000), standby("b", 1, 900, None)];
        let TopologyVerdict::Degraded { why, .. } = Topology::new(&nodes).verdict() else {
            panic!("a standby that receives nothing is no standby");
        };
        assert!(why[0].contains("b receives nothing"), "{why:?}");
    }

    #[test]
    fn two_that_take_writes_are_a_split_brain_whatever_their_timelines() {
        for timeline in [1, 2] {
            let nodes = [primary("a", 1, 1000), primary("b", timeline, 900)];
            assert_eq!(
                Topology::new(&nodes).verdict(),
                TopologyVerdict::SplitBrain {
                    primaries: vec!["a".into(), "b".into()]
                }
            );
        }
    }

    #[test]
    fn one_that_is_kept_read_only_splits_nothing() {
        let nodes = [read_only(primary("a", 1, 1000)), primary("b", 2, 900)];
        let TopologyVerdict::Degraded { primary, why } = Topology::new(&nodes).verdict() else {
            panic!("it has to be named");
        };
        assert_eq!(primary, "b");
        assert!(why[0].contains("a was a primary before b"), "{why:?}");
    }

    #[test]
    fn a_standby_whose_sender_hangs_is_not_healthy_though_it_has_replayed_all() {
        let nodes = [primary("a", 1, 900), standby("b", 1, 900, Some(SILENCE_MS + 1))];
        let TopologyVerdict::Degraded { why, .. } = Topology::new(&nodes).verdict() else {
            panic!("it may miss what was committed since");
        };
        assert!(
            why[0].contains("b has heard nothing from its primary for 35 s"),
            "{why:?}"
        );
    }

    #[test]
    fn another_cluster_is_no_standby_of_this_one() {
        let mut other = standby("b", 1, 900, Some(40));
        if let Ok(state) = &mut other.answer {
            state.system_identifier = Some(8);
        }
        let nodes = [primary("a", 1, 1000), other];
        let topology = Topology::new(&nodes);
        assert_eq!(topology.behind("b"), None);
        assert!(
            topology.faults()[0].1.contains("another cluster"),
            "{:?}",
            topology.faults()
        );
    }

    #[test]
    fn nobody_to_write_to_is_said() {
        let nodes = [silent("a"), standby("b", 1, 900, None)];
        let TopologyVerdict::NoPrimary { why } = Topology::new(&nodes).verdict() else {
            panic!("there is none");
        };
        assert_eq!(why.len(), 2);
        let nodes = [read_only(primary("a", 1, 1))];
        assert!(
            matches!(Topology::new(&nodes).verdict(), TopologyVerdict::NoPrimary { why } if why[0].contains("read-only"))
        );
    }
}
