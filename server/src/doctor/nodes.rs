//! Whether the nodes of the watched PostgreSQL cluster can be asked, and make up one cluster.

use quarterdeck_app::view::estate::DatabaseRole;
use time::OffsetDateTime;

use super::{Finding, skew};
use crate::{
    clients::{
        PostgresNode, database_nodes,
        postgres_node::{NodeError, NodeFacts},
    },
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
    let mut answers: Vec<(String, Result<NodeFacts, NodeError>)> = Vec::new();
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
        let answer = node.ask().await;
        if answer.is_ok() {
            let (finding, major) = clock_and_version(&node, clock).await;
            findings.push(finding);
            newest = newest.max(major);
        }
        answers.push((config.name.clone(), answer));
    }
    findings.extend(roles(&answers, clock.now()));
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
fn roles(answers: &[(String, Result<NodeFacts, NodeError>)], now: OffsetDateTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut primaries = Vec::new();
    for ((_, answer), view) in answers.iter().zip(database_nodes::combine(answers, &[], now)) {
        let name = view.name;
        findings.push(match (view.role, answer) {
            (DatabaseRole::Primary { streaming_standbys }, _) => {
                primaries.push(name.clone());
                Finding::ok(
                    AREA,
                    name,
                    format!("primary, {streaming_standbys} standbys stream from it"),
                )
            }
            (
                DatabaseRole::Standby {
                    last_message_age_ms: None,
                    ..
                },
                _,
            ) => {
                let mend = "Check primary_conninfo, the replication slot, and the standby's log.";
                Finding::warn(AREA, name, "standby that does not stream: it falls behind", mend)
            }
            (
                DatabaseRole::Standby {
                    lag_bytes,
                    last_message_age_ms: Some(age),
                },
                _,
            ) => {
                let lag =
                    lag_bytes.map_or_else(|| "lag not known".to_owned(), |lag| format!("{lag} bytes behind"));
                Finding::ok(
                    AREA,
                    name,
                    format!("standby, {lag}, last heard of its primary {age} ms ago"),
                )
            }
            (DatabaseRole::Unreachable { error, .. }, Err(NodeError::NotPermitted { role })) => {
                Finding::fail(AREA, name, error, format!("GRANT pg_monitor TO {role};"))
            }
            (DatabaseRole::Unreachable { error, .. }, _) => {
                Finding::fail(AREA, name, error, "Start it, or correct its url and pg_hba.conf.")
            }
        });
    }
    match primaries.as_slice() {
        [_] => {}
        [] => {
            let mend = "Add the primary as a [[postgres]] entry, or find out why there is none.";
            findings.push(Finding::warn(
                AREA,
                "one primary",
                "no configured node takes writes",
                mend,
            ));
        }
        several => {
            let seen = format!("{} all take writes: the cluster is split", several.join(", "));
            let mend = "Fence all but one before anything else; what was written to the others has to be reconciled.";
            findings.push(Finding::fail(AREA, "one primary", seen, mend));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{super::Outcome, *};
    use crate::clients::postgres_node::NodePart;

    fn node(name: &str, part: NodePart) -> (String, Result<NodeFacts, NodeError>) {
        (
            name.into(),
            Ok(NodeFacts {
                system_identifier: Some(1),
                timeline: Some(1),
                part,
            }),
        )
    }

    #[test]
    fn a_split_cluster_and_a_missing_right_fail() {
        let primary = || NodePart::Primary {
            wal_position: 5,
            streaming_standbys: 0,
        };
        let now = datetime!(2026-01-02 03:00 UTC);
        let blind = (
            "c".to_owned(),
            Err(NodeError::NotPermitted {
                role: "watcher".into(),
            }),
        );
        let findings = roles(&[node("a", primary()), node("b", primary()), blind], now);
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
        let part = NodePart::Standby {
            received: Some(1),
            replayed: Some(1),
            last_message_age_ms: None,
        };
        let findings = roles(&[node("s", part)], datetime!(2026-01-02 03:00 UTC));
        assert!(
            findings.iter().all(|f| matches!(f.outcome, Outcome::Warn { .. })),
            "{findings:?}"
        );
        assert_eq!(findings.len(), 2);
    }
}
