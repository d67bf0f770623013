//! From what each PostgreSQL node says of itself to what the cluster looks like. Pure.

use quarterdeck_app::view::estate::{DatabaseNodeView, DatabaseRole};
use time::OffsetDateTime;

use crate::clock::unix_ms;

use super::postgres_node::{NodeError, NodeFacts, NodePart};

/// One view a node, in the order given.
///
/// Nodes are never made to fit together: two that take writes are both shown as primaries, because that is
/// the thing to be seen. A standby's lag is measured against the primary that it follows: the one of its
/// cluster, and if there are several, of its timeline; it is not known when none or more than one is left.
/// `previous` keeps the time since when a node does not answer.
#[must_use]
pub fn combine(
    answers: &[(String, Result<NodeFacts, NodeError>)],
    previous: &[DatabaseNodeView],
    now: OffsetDateTime,
) -> Vec<DatabaseNodeView> {
    let known: Vec<&NodeFacts> = answers
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok())
        .collect();
    answers
        .iter()
        .map(|(name, answer)| {
            let role = match answer {
                Ok(facts) => role(facts, &known),
                Err(error) => DatabaseRole::Unreachable {
                    error: error.to_string(),
                    since_ms: Some(silent_since(name, previous, now)),
                },
            };
            DatabaseNodeView {
                name: name.clone(),
                role,
            }
        })
        .collect()
}

fn silent_since(name: &str, previous: &[DatabaseNodeView], now: OffsetDateTime) -> i64 {
    let before = previous
        .iter()
        .find(|node| node.name == name)
        .and_then(|node| match &node.role {
            DatabaseRole::Unreachable { since_ms, .. } => *since_ms,
            DatabaseRole::Primary { .. } | DatabaseRole::Standby { .. } => None,
        });
    before.unwrap_or_else(|| unix_ms(now))
}

fn role(facts: &NodeFacts, known: &[&NodeFacts]) -> DatabaseRole {
    match facts.part {
        NodePart::Primary {
            streaming_standbys, ..
        } => DatabaseRole::Primary { streaming_standbys },
        NodePart::Standby {
            received,
            replayed,
            last_message_age_ms,
        } => {
            let done = replayed.or(received);
            let lag_bytes =
                // The two were not asked at the same instant: a standby can seem to be ahead.
                primary_position(facts, known).zip(done).map(|(written, done)| (written - done).max(0));
            DatabaseRole::Standby {
                lag_bytes,
                last_message_age_ms: last_message_age_ms.map(|age| age.max(0)),
            }
        }
    }
}

/// Where the primary writes that this standby follows.
fn primary_position(standby: &NodeFacts, known: &[&NodeFacts]) -> Option<i64> {
    let same_cluster = |node: &NodeFacts| match (node.system_identifier, standby.system_identifier) {
        (Some(a), Some(b)) => a == b,
        (None, _) | (_, None) => true,
    };
    let primaries: Vec<(i64, Option<i32>)> = known
        .iter()
        .filter(|node| same_cluster(node))
        .filter_map(|node| match node.part {
            NodePart::Primary { wal_position, .. } => Some((wal_position, node.timeline)),
            NodePart::Standby { .. } => None,
        })
        .collect();
    match primaries.as_slice() {
        [(position, _)] => Some(*position),
        several => {
            let mut followed = several
                .iter()
                .filter(|(_, timeline)| timeline.is_some() && *timeline == standby.timeline);
            match (followed.next(), followed.next()) {
                (Some((position, _)), None) => Some(*position),
                (_, _) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn primary(cluster: i64, timeline: i32, wal_position: i64) -> Result<NodeFacts, NodeError> {
        let part = NodePart::Primary {
            wal_position,
            streaming_standbys: 1,
        };
        Ok(NodeFacts {
            system_identifier: Some(cluster),
            timeline: Some(timeline),
            part,
        })
    }

    fn standby(cluster: i64, timeline: Option<i32>, replayed: i64) -> Result<NodeFacts, NodeError> {
        let part = NodePart::Standby {
            received: Some(replayed + 5),
            replayed: Some(replayed),
            last_message_age_ms: timeline.map(|_| 40),
        };
        Ok(NodeFacts {
            system_identifier: Some(cluster),
            timeline,
            part,
        })
    }

    fn roles(answers: Vec<Result<NodeFacts, NodeError>>) -> Vec<DatabaseRole> {
        let answers: Vec<_> = answers
            .into_iter()
            .enumerate()
            .map(|(i, a)| (i.to_string(), a))
            .collect();
        combine(&answers, &[], NOW)
            .into_iter()
            .map(|node| node.role)
            .collect()
    }

    fn lag(role: &DatabaseRole) -> Option<i64> {
        let DatabaseRole::Standby { lag_bytes, .. } = role else {
            panic!("{role:?}")
        };
        *lag_bytes
    }

    #[test]
    fn lag_is_what_the_primary_wrote_and_the_standby_did_not_replay() {
        let roles = roles(vec![
            primary(1, 1, 1000),
            standby(1, Some(1), 900),
            standby(1, Some(1), 1010),
        ]);
        assert_eq!(
            roles[0],
            DatabaseRole::Primary {
                streaming_standbys: 1
            }
        );
        assert_eq!(
            roles[1],
            DatabaseRole::Standby {
                lag_bytes: Some(100),
                last_message_age_ms: Some(40)
            }
        );
        assert_eq!(lag(&roles[2]), Some(0));
    }

    #[test]
    fn two_primaries_are_both_shown() {
        let roles = roles(vec![
            primary(1, 1, 1000),
            primary(1, 2, 500),
            standby(1, Some(2), 400),
            standby(1, None, 1),
        ]);
        assert!(
            matches!(roles[0], DatabaseRole::Primary { .. })
                && matches!(roles[1], DatabaseRole::Primary { .. })
        );
        assert_eq!(lag(&roles[2]), Some(100));
        assert_eq!(lag(&roles[3]), None);
    }

    #[test]
    fn no_lag_is_made_up_without_the_primary_or_against_another_cluster() {
        let down = Err(NodeError::Timeout {
            limit: Duration::from_secs(1),
        });
        assert_eq!(lag(&roles(vec![down, standby(1, Some(1), 900)])[1]), None);
        assert_eq!(
            lag(&roles(vec![primary(2, 1, 1000), standby(1, Some(1), 900)])[1]),
            None
        );
    }

    #[test]
    fn silence_is_dated_from_its_beginning() {
        let down = || {
            let error = NodeError::Unreachable {
                reason: "Connection refused".into(),
            };
            [("a".to_owned(), Err(error))]
        };
        let first = combine(&down(), &[], NOW);
        let second = combine(&down(), &first, NOW + time::Duration::MINUTE);
        assert_eq!(first, second);
        let DatabaseRole::Unreachable { error, since_ms } = &second[0].role else {
            panic!("reachable")
        };
        assert_eq!(
            (error.as_str(), *since_ms),
            ("cannot be reached: Connection refused", Some(1_767_322_800_000))
        );
    }
}
