//! The gates of a switchover: the primary is healthy, and nothing may be lost.

use super::{
    Situation, commits,
    situation::{Judged, gate, passed, refused, warned},
};
use crate::{
    action::Gate,
    cluster::{Archiver, NodeState, PrimaryState},
};

/// The gates of a switchover to `candidate`, in their fixed order.
#[must_use]
pub fn switchover_gates(situation: &Situation<'_>, candidate: &str) -> Vec<Gate> {
    let topology = situation.topology();
    let counted = topology.primary();
    let primary = counted.map(|(sight, state, primary)| (sight.name.as_str(), state, primary));
    let name = primary.map(|(name, _, _)| name);
    vec![
        gate(
            "primary_healthy",
            "There is one healthy primary",
            primary_healthy(situation, candidate),
        ),
        situation.candidate_reachable(candidate),
        situation.in_recovery(candidate),
        gate(
            "streams",
            "The candidate streams from the primary",
            streams(situation, candidate, name),
        ),
        lag(situation, candidate),
        situation.replay(candidate),
        gate(
            "archiver",
            "WAL is archived",
            primary.map_or_else(unknown, |(name, state, _)| archiver(name, state)),
        ),
        gate(
            "transactions",
            "No long transaction has to be waited for",
            primary.map_or_else(unknown, |(_, _, primary)| transactions(situation, primary)),
        ),
        gate(
            "commits",
            "Commits come through",
            primary.map_or_else(unknown, |(name, _, primary)| commits::come_through(name, primary)),
        ),
        situation.synchronous(name, candidate),
        gate(
            "base_backup",
            "No base backup is being taken",
            primary.map_or_else(unknown, |(name, _, primary)| {
                if primary.base_backup {
                    refused(format!(
                        "A base backup is being taken from {name}; it would be lost. Wait for its end."
                    ))
                } else {
                    passed("No base backup is being taken.")
                }
            }),
        ),
        gate(
            "rejoin",
            "The old primary can become a standby",
            rejoin(situation, name),
        ),
        situation.others_follow(name, candidate, rejoins(situation, name)),
        situation.hold(name),
        situation.repoint(name, false),
        situation.alone(),
        situation.rights(&name.into_iter().chain([candidate]).collect::<Vec<_>>()),
    ]
}

fn unknown() -> Judged {
    refused("There is no primary to ask.")
}

fn primary_healthy(situation: &Situation<'_>, candidate: &str) -> Judged {
    let topology = situation.topology();
    let writable: Vec<_> = topology.writable().map(|sight| sight.name.as_str()).collect();
    match (writable.as_slice(), topology.primary()) {
        ([one], Some((counted, _, _))) if *one == counted.name => {
            if *one == candidate {
                refused(format!("{candidate} is the primary already."))
            } else {
                passed(format!("{one} takes writes, and nobody else does."))
            }
        }
        ([], Some((counted, _, _))) => refused(format!(
            "{} is a primary and is kept read-only. If no other node was promoted, and no promotion is under way, let it write again: ALTER \
             SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf().",
            counted.name
        )),
        ([], None) => refused("No node takes writes. If the primary is gone for good, ask for a failover."),
        ([_], _) => refused("The node that takes writes is not the one on the highest timeline."),
        (several, _) => refused(format!(
            "{} take writes at the same time: a split brain. Stop all but one first.",
            several.join(" and ")
        )),
    }
}

fn streams(situation: &Situation<'_>, candidate: &str, primary: Option<&str>) -> Judged {
    let Some((state, standby)) = situation.standby(candidate) else {
        return refused("It is not known.");
    };
    let of_primary = primary
        .and_then(|primary| situation.topology().node(primary))
        .and_then(|sight| sight.state());
    let Some(of_primary) = of_primary else {
        return unknown();
    };
    if state.system_identifier != of_primary.system_identifier {
        return refused(format!("{candidate} is of another cluster."));
    }
    if state.timeline != of_primary.timeline {
        return refused(format!("{candidate} has not come to the primary's timeline yet."));
    }
    match &standby.receiver {
        None => refused(format!("{candidate} receives nothing.")),
        Some(receiver) if receiver.status != "streaming" => {
            refused(format!("Its WAL receiver is {}.", receiver.status))
        }
        Some(receiver) => match receiver.last_message_age_ms {
            Some(age) if age > situation.limits.silence_ms => refused(format!(
                "{candidate} is connected and has heard nothing for {} s.",
                age / 1000
            )),
            Some(_) | None => passed(format!("{candidate} streams.")),
        },
    }
}

fn lag(situation: &Situation<'_>, candidate: &str) -> Gate {
    const TITLE: &str = "The candidate is close behind";
    let limit = situation.limits.max_lag_bytes;
    let Some((receive, replay)) = situation.topology().behind(candidate) else {
        return gate("lag", TITLE, refused("How far it is behind is not known."));
    };
    let behind = receive.max(replay);
    let verdict = if behind <= limit {
        passed(format!(
            "{candidate} has {behind} bytes of WAL to catch up on; the limit is {limit}."
        ))
    } else {
        refused(format!(
            "{candidate} has {behind} bytes of WAL to catch up on, over the limit of {limit}: clients would wait for all of it."
        ))
    };
    // Not the figure itself: it moves all the time.
    gate("lag", TITLE, verdict).with_figure(format!("{behind} bytes"))
}

fn archiver(name: &str, state: &NodeState) -> Judged {
    if state.archiver.as_ref().is_some_and(Archiver::is_failing) {
        warned(format!(
            "{name} can't archive its WAL. Nothing is lost by the switchover, but segments that only it has are missing in the archive."
        ))
    } else {
        passed("The archiver has no failure.")
    }
}

fn transactions(situation: &Situation<'_>, primary: &PrimaryState) -> Judged {
    match primary.oldest_transaction_ms {
        Some(age) if age > situation.limits.long_transaction_ms => warned(format!(
            "The oldest transaction is open for {} s. If it does not end soon after clients are held back, the switchover gives up and lets them go on.",
            age / 1000
        )),
        Some(_) | None => passed("No transaction is open for long."),
    }
}

fn rejoins(situation: &Situation<'_>, primary: Option<&str>) -> bool {
    primary
        .and_then(|primary| situation.means(primary))
        .is_some_and(|means| means.rejoin)
}

fn rejoin(situation: &Situation<'_>, primary: Option<&str>) -> Judged {
    match primary.and_then(|primary| situation.means(primary)) {
        None => unknown(),
        Some(means) if means.rejoin => {
            passed(format!("A program makes {} a standby afterwards.", means.name))
        }
        Some(means) => warned(format!(
            "No program is configured that makes {} a standby (rejoin in its [[postgres]] section). It stays up and read-only; the last step \
             says what to run, and until then there is no standby.",
            means.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Verdict,
        cluster::{NodeSight, Part},
        failover::{
            Control, Holding, Memory,
            examples::{self, primary, silent, standby},
        },
    };

    fn refusing(sights: &[NodeSight], change: impl Fn(&mut Situation<'_>)) -> Vec<String> {
        let memory = Memory::default();
        let means = [examples::means("a", 1), examples::means("b", 2)];
        let mut situation = examples::situation(sights, &memory, &means);
        change(&mut situation);
        let gates = switchover_gates(&situation, "b");
        gates
            .iter()
            .filter(|gate| gate.verdict == Verdict::Refused)
            .map(|gate| gate.name.clone())
            .collect()
    }

    fn with_primary(change: impl Fn(&mut NodeState, &mut PrimaryState)) -> Vec<NodeSight> {
        let mut node = primary("a", 1, 1_000);
        if let Ok(state) = &mut node.answer {
            let Part::Primary(mut part) = state.part.clone() else {
                panic!("it is one");
            };
            change(state, &mut part);
            state.part = Part::Primary(part);
        }
        vec![node, standby("b", 1, 1_000)]
    }

    #[test]
    fn a_healthy_pair_may_change_places() {
        let none: [&str; 0] = [];
        assert_eq!(
            refusing(&[primary("a", 1, 1_000), standby("b", 1, 900)], |_| ()),
            none
        );
    }

    #[test]
    fn each_gate_refuses_by_its_own_name() {
        assert!(
            refusing(&[silent("a"), standby("b", 1, 900)], |_| ()).contains(&"primary_healthy".to_owned())
        );
        assert!(
            refusing(&[primary("a", 1, 900), primary("b", 2, 900)], |_| ())
                .contains(&"primary_healthy".to_owned())
        );
        assert!(
            refusing(&[primary("a", 1, 900), silent("b")], |_| ())
                .contains(&"candidate_reachable".to_owned())
        );
        assert_eq!(
            refusing(&[primary("a", 1, 9_000_000), standby("b", 1, 900)], |_| ()),
            ["lag"]
        );
        let backup = with_primary(|_, primary| primary.base_backup = true);
        assert_eq!(refusing(&backup, |_| ()), ["base_backup"]);
        let read_only = with_primary(|state, _| state.read_only = true);
        assert_eq!(refusing(&read_only, |_| ()), ["primary_healthy"]);
        let pair = with_primary(|_, _| ());
        assert_eq!(
            refusing(&pair, |s| s.routing.now = Err("it refuses".into())),
            ["hold", "repoint"]
        );
        assert_eq!(
            refusing(&pair, |s| if let Ok(now) = &mut s.routing.now {
                now.held = true;
            }),
            ["repoint"]
        );
        assert_eq!(refusing(&pair, |s| s.under_way = Ok(Some(7))), ["alone"]);
        let (memory, means) = (Memory::default(), [examples::means("a", 1)]);
        let gates = switchover_gates(&examples::situation(&pair, &memory, &means), "b");
        let rights = gates.iter().find(|gate| gate.name == "rights").unwrap();
        assert!(
            rights.reason.contains("b has no control_url"),
            "{}",
            rights.reason
        );
    }

    #[test]
    fn what_is_only_odd_is_said_and_lets_it_pass() {
        let memory = Memory::default();
        let mut means = [examples::means("a", 1), examples::means("b", 2)];
        means[0].rejoin = false;
        means[0].control = Control::Sufficient;
        let pair = with_primary(|_, primary| primary.oldest_transaction_ms = Some(600_000));
        let mut situation = examples::situation(&pair, &memory, &means);
        if let Ok(now) = &mut situation.routing.now {
            now.to[0].host = "elsewhere".into();
            now.holding = Holding::Impossible;
        }
        let gates = switchover_gates(&situation, "b");
        let warned: Vec<_> = gates
            .iter()
            .filter(|gate| gate.verdict == Verdict::Warned)
            .map(|gate| gate.name.as_str())
            .collect();
        assert_eq!(warned, ["transactions", "rejoin", "hold", "repoint"]);
        assert!(gates.iter().all(|gate| gate.verdict != Verdict::Refused));
    }

    #[test]
    fn what_becomes_of_clients_is_said_for_each_way() {
        let memory = Memory::default();
        let means = [examples::means("a", 1), examples::means("b", 2)];
        let pair = with_primary(|_, _| ());
        let hold = |change: &dyn Fn(&mut Situation<'_>)| {
            let mut situation = examples::situation(&pair, &memory, &means);
            change(&mut situation);
            situation.hold(Some("a"))
        };
        let of = |holding: Holding| {
            hold(&|situation| {
                if let Ok(now) = &mut situation.routing.now {
                    now.holding = holding.clone();
                }
            })
        };
        assert_eq!(of(Holding::Transactions).verdict, Verdict::Passed);
        let sessions = of(Holding::Sessions(vec!["app".into()]));
        assert_eq!(sessions.verdict, Verdict::Warned);
        assert!(
            sessions.reason.contains("pools sessions for app"),
            "{}",
            sessions.reason
        );
        let impossible = of(Holding::Impossible);
        assert_eq!(impossible.verdict, Verdict::Warned);
        assert!(
            impossible
                .reason
                .contains("That a refuses writes is what keeps anything from being lost"),
            "{}",
            impossible.reason
        );
        assert_eq!(
            hold(&|situation| situation.routing.by_itself = true).verdict,
            Verdict::Passed
        );
    }
}
