//! Whether the nodes of the watched PostgreSQL cluster can be asked, and make up one cluster.

use quarterdeck_domain::cluster::{NodeSight, Part, Topology, TopologyVerdict};
use time::OffsetDateTime;

use super::{Finding, skew};
use crate::{
    clients::{PostgresNode, cluster_node::ClusterNode},
    clock::Clock,
    config::postgres::PostgresNodeConfig,
};

const AREA: &str = "PostgreSQL nodes";

/// Findings, and the newest major version among the nodes that answered.
pub(super) async fn check(nodes: &[PostgresNodeConfig], clock: &dyn Clock) -> (Vec<Finding>, Option<i32>) {
    if nodes.is_empty() {
        let seen = "there is no [[postgres]] entry: roles and lag are not shown";
        return (
            vec![Finding::warn(
                AREA,
                "configured",
                seen,
                "Add one for each node, straight to it.",
            )],
            None,
        );
    }
    let mut findings = Vec::new();
    let mut sights = Vec::new();
    let mut newest = None;
    for config in nodes {
        let node = match PostgresNode::new(config) {
            Ok(node) => node,
            Err(error) => {
                findings.push(Finding::fail(
                    AREA,
                    &config.name,
                    error.to_string(),
                    "Correct its url.",
                ));
                continue;
            }
        };
        let sight = ClusterNode::new(node.connection()).look().await;
        if sight.answer.is_ok() {
            let (finding, major) = clock_and_version(&node, clock).await;
            findings.push(finding);
            newest = newest.max(major);
        }
        sights.push(sight);
    }
    findings.extend(roles(&sights));
    (findings, newest)
}

async fn clock_and_version(node: &PostgresNode, clock: &dyn Clock) -> (Finding, Option<i32>) {
    let before = clock.now();
    match node.clock_and_version().await {
        Ok((ms, major)) => {
            let theirs = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let mut finding = skew::judge(AREA, theirs, before, clock.now());
            finding.check = format!("{}: clock", node.name());
            (finding, Some(major))
        }
        Err(error) => {
            let check = format!("{}: clock", node.name());
            (Finding::warn(AREA, check, error.to_string(), "Try again."), None)
        }
    }
}

/// One finding a node, and one on the cluster as a whole. Pure.
fn roles(sights: &[NodeSight]) -> Vec<Finding> {
    let topology = Topology::new(sights);
    let faults = topology.faults();
    let mut findings = Vec::new();
    for sight in sights {
        let name = sight.name.as_str();
        let faults = faults.iter().filter(|(of, _)| of == name);
        let faults: Vec<_> = faults.map(|(_, fault)| fault.as_str()).collect();
        findings.push(match &sight.answer {
            Err(silence) => {
                // A role that may see too little is told the statement in the refusal itself.
                let mend = silence
                    .find("GRANT ")
                    .and_then(|at| silence.get(at..))
                    .map_or_else(
                        || "Start it, or correct its url and pg_hba.conf.".to_owned(),
                        |grant| format!("{grant};"),
                    );
                Finding::fail(AREA, name, silence.as_str(), mend)
            }
            Ok(_) if !faults.is_empty() => {
                let mend = "The runbook failover says what to do; for a standby check primary_conninfo, its slot and its log.";
                Finding::warn(AREA, name, faults.join(" "), mend)
            }
            Ok(state) => Finding::ok(
                AREA,
                name,
                match &state.part {
                    Part::Primary(primary) => {
                        format!("primary, {} stream from it", primary.followers.len())
                    }
                    Part::Standby(_) => match topology.behind(name) {
                        Some((_, behind)) => format!("standby, {behind} bytes behind"),
                        None => "standby, lag not known".to_owned(),
                    },
                },
            ),
        });
    }
    match topology.verdict() {
        TopologyVerdict::NoPrimary { .. } => {
            let mend = "Add the primary as a [[postgres]] entry, or find out why there is none.";
            findings.push(Finding::warn(
                AREA,
                "one primary",
                "no configured node takes writes",
                mend,
            ));
        }
        TopologyVerdict::SplitBrain { primaries } => {
            let seen = format!("{} all take writes: the cluster is split", primaries.join(", "));
            let mend = "Fence all but one before anything else; what was written to the others has to be reconciled.";
            findings.push(Finding::fail(AREA, "one primary", seen, mend));
        }
        TopologyVerdict::NoNodes | TopologyVerdict::Healthy { .. } | TopologyVerdict::Degraded { .. } => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::cluster::{Lsn, NodeState, PrimaryState, StandbyState};

    use super::{super::Outcome, *};

    fn node(name: &str, part: Part) -> NodeSight {
        NodeSight {
            name: name.into(),
            refuses: false,
            answer: Ok(NodeState {
                system_identifier: Some(1),
                version: 15,
                timeline: Some(1),
                read_only: false,
                part,
                slots: vec![],
                archiver: None,
            }),
        }
    }

    #[test]
    fn a_split_cluster_and_a_missing_right_fail() {
        let primary = || {
            Part::Primary(PrimaryState {
                flushed: Lsn::from_bytes(5),
                followers: vec![],
                synchronous_standby_names: String::new(),
                oldest_transaction_ms: None,
                base_backup: false,
            })
        };
        let blind = NodeSight {
            name: "c".into(),
            refuses: true,
            answer: Err("its role may not see replication; GRANT pg_monitor TO watcher".into()),
        };
        let findings = roles(&[node("a", primary()), node("b", primary()), blind]);
        let failed: Vec<_> = findings
            .iter()
            .filter_map(|f| match &f.outcome {
                Outcome::Fail { seen, mend } => Some((f.check.as_str(), seen.as_str(), mend.as_str())),
                Outcome::Ok { .. } | Outcome::Warn { .. } => None,
            })
            .collect();
        assert_eq!(failed.len(), 2);
        assert_eq!((failed[0].0, failed[0].2), ("c", "GRANT pg_monitor TO watcher;"));
        assert!(failed[1].1.starts_with("a, b all take writes"), "{failed:?}");
    }

    #[test]
    fn a_standby_alone_is_warned_about() {
        let part = Part::Standby(StandbyState {
            received: Some(Lsn::from_bytes(1)),
            replayed: Some(Lsn::from_bytes(1)),
            receiver: None,
            last_transaction_age_ms: None,
            replay_paused: false,
            synchronous_standby_names: String::new(),
        });
        let findings = roles(&[node("s", part)]);
        assert!(
            findings.iter().all(|f| matches!(f.outcome, Outcome::Warn { .. })),
            "{findings:?}"
        );
        assert_eq!(findings.len(), 2);
    }
}
