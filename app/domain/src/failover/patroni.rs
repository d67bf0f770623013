//! The gates where Patroni runs the cluster and performs the change: what it says itself, and of the console's own gates those
//! that still matter.

use super::{
    LossBound, Situation, failover_gates, gone_primary,
    situation::{Judged, gate, passed, refused, warned},
    switchover_gates,
};
use crate::action::Gate;

/// The cluster as Patroni sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatroniCluster {
    /// Its members.
    pub members: Vec<PatroniMember>,
    /// Whether it is paused: it then leaves the nodes alone unless it is told what to do.
    pub paused: bool,
}

/// A member as Patroni sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatroniMember {
    /// The node's name in the console's configuration, or Patroni's own for a member that has none there.
    pub name: String,
    /// Its part.
    pub role: PatroniRole,
    /// How its PostgreSQL is, in Patroni's words: `running`, `streaming`, `stopped`.
    pub state: String,
    /// Its timeline.
    pub timeline: Option<i64>,
    /// Bytes of WAL that it is behind, as far as Patroni knows.
    pub lag: Option<u64>,
    /// Whether its tags forbid to promote it.
    pub nofailover: bool,
}

/// A member's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatroniRole {
    /// It holds the leader key.
    Leader,
    /// It leads a cluster that follows another one, and takes no writes.
    StandbyLeader,
    /// It has all that was acknowledged.
    SyncStandby,
    /// It follows.
    Replica,
}

impl PatroniRole {
    /// Patroni's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::StandbyLeader => "standby_leader",
            Self::SyncStandby => "sync_standby",
            Self::Replica => "replica",
        }
    }
}

impl PatroniCluster {
    /// The member that holds the leader key.
    #[must_use]
    pub fn leader(&self) -> Option<&PatroniMember> {
        self.members
            .iter()
            .find(|member| matches!(member.role, PatroniRole::Leader | PatroniRole::StandbyLeader))
    }

    /// A member by the node's name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&PatroniMember> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl std::fmt::Display for PatroniMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.role.as_str(), self.state)?;
        if let Some(timeline) = self.timeline {
            write!(f, ", timeline {timeline}")?;
        }
        if let Some(lag) = self.lag {
            write!(f, ", {lag} bytes behind")?;
        }
        if self.nofailover {
            f.write_str(", tagged nofailover")?;
        }
        Ok(())
    }
}

/// Gates of the console's own acts: Patroni ends transactions, says whom commits wait for, makes the old leader a standby, has the
/// other standbys follow, and needs no rights of the console's.
const OF_OWN_ACTS: [&str; 7] = [
    "transactions",
    "commits",
    "synchronous",
    "rejoin",
    "others",
    "fence",
    "rights",
];

fn besides(mut gates: Vec<Gate>, own: Vec<Gate>) -> Vec<Gate> {
    gates.extend(
        own.into_iter()
            .filter(|gate| !OF_OWN_ACTS.contains(&gate.name.as_str())),
    );
    gates
}

/// The gates of a switchover to `candidate` by Patroni, in their fixed order. `seen` is how Patroni sees the cluster, or why
/// it did not say.
#[must_use]
pub fn patroni_switchover_gates(
    situation: &Situation<'_>,
    seen: &Result<PatroniCluster, String>,
    candidate: &str,
) -> Vec<Gate> {
    let primary = situation.topology().primary().map(|(sight, _, _)| &*sight.name);
    let of_seen = |judge: &dyn Fn(&PatroniCluster) -> Judged| seen.as_ref().map_or_else(|_| unknown(), judge);
    let gates = vec![
        answers(seen),
        gate(
            "patroni_leader",
            "Patroni agrees who the leader is",
            of_seen(&|cluster| match (cluster.leader(), primary) {
                (Some(leader), _) if leader.role == PatroniRole::StandbyLeader => refused(format!(
                    "{} leads a standby cluster: its primary is elsewhere.",
                    leader.name
                )),
                (Some(leader), Some(primary)) if leader.name == primary => {
                    passed(format!("{primary} holds the leader key and takes writes."))
                }
                (Some(leader), Some(primary)) => refused(format!(
                    "For Patroni {} is the leader, and {primary} takes writes.",
                    leader.name
                )),
                (Some(leader), None) => refused(format!(
                    "{} holds the leader key and takes no writes.",
                    leader.name
                )),
                (None, _) => refused("Nobody holds the leader key."),
            }),
        ),
        gate(
            "patroni_running",
            "Patroni is not paused",
            of_seen(&|cluster| {
                if cluster.paused {
                    refused(
                        "Patroni is paused and would not make the old leader a standby: somebody works on the cluster. Run patronictl \
                         resume when that is over.",
                    )
                } else {
                    passed("It is not.")
                }
            }),
        ),
        promotable(seen, candidate),
    ];
    besides(gates, switchover_gates(situation, candidate))
}

/// The gates of a failover to `candidate` by Patroni, in their fixed order; otherwise as [`failover_gates`].
#[must_use]
pub fn patroni_failover_gates(
    situation: &Situation<'_>,
    seen: &Result<PatroniCluster, String>,
    candidate: &str,
    accepted: Option<LossBound>,
) -> Vec<Gate> {
    let gone = gone_primary(situation, candidate);
    let of_seen = |judge: &dyn Fn(&PatroniCluster) -> Judged| seen.as_ref().map_or_else(|_| unknown(), judge);
    let gates = vec![
        answers(seen),
        gate(
            "patroni_leader",
            "Patroni has no other leader",
            of_seen(&|cluster| match cluster.leader() {
                None => passed("Nobody holds the leader key."),
                // It passes with and without the key, which expires in its own time: consent must not expire with it.
                Some(leader) if Some(&*leader.name) == gone => passed(format!(
                    "{} still holds the leader key ({leader}). If its Patroni lives, that stops PostgreSQL in order; if not, the key has to \
                     expire before anything happens.",
                    leader.name
                )),
                Some(leader) => refused(format!(
                    "{} is the leader already: Patroni has failed over by itself. What that has lost is not measured.",
                    leader.name
                )),
            }),
        ),
        gate(
            "patroni_running",
            "Patroni keeps the old leader from taking writes",
            of_seen(&|cluster| {
                if cluster.paused {
                    warned(
                        "Patroni is paused: it promotes on request, and does not demote the old leader if it returns. See that it stays down, \
                         and run patronictl resume afterwards.",
                    )
                } else {
                    passed(
                        "Who does not hold the leader key is demoted by its own Patroni. It also fails over by itself, unless no member is good enough.",
                    )
                }
            }),
        ),
        promotable(seen, candidate),
    ];
    besides(gates, failover_gates(situation, candidate, accepted))
}

fn unknown() -> Judged {
    refused("It is not known.")
}

fn answers(seen: &Result<PatroniCluster, String>) -> Gate {
    gate(
        "patroni",
        "Patroni answers",
        match seen {
            Ok(cluster) => {
                let members: Vec<_> = cluster.members.iter().map(|member| &*member.name).collect();
                passed(format!("Its members are {}.", members.join(" and ")))
            }
            Err(why) => refused(format!(
                "Patroni runs this cluster and can't be asked, so nothing may be promoted: {why}."
            )),
        },
    )
}

fn promotable(seen: &Result<PatroniCluster, String>, candidate: &str) -> Gate {
    let verdict = match seen {
        Err(_) => unknown(),
        Ok(cluster) => match cluster.member(candidate) {
            None => refused(format!("{candidate} is no member of it.")),
            Some(member) if member.nofailover => refused(format!(
                "{candidate} is tagged nofailover. Choose another one, or take the tag away in its Patroni's configuration."
            )),
            Some(member) if !matches!(&*member.state, "running" | "streaming" | "in archive recovery") => {
                refused(format!("For Patroni {candidate} is {member}."))
            }
            Some(member) => {
                let synchronous = cluster
                    .members
                    .iter()
                    .any(|other| other.role == PatroniRole::SyncStandby);
                if synchronous && member.role != PatroniRole::SyncStandby {
                    refused(format!(
                        "{candidate} is not the synchronous standby, and only that has everything."
                    ))
                } else {
                    passed(format!("For Patroni {candidate} is {member}."))
                }
            }
        },
    };
    gate("patroni_candidate", "Patroni may promote the candidate", verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Verdict,
        failover::{
            Memory,
            examples::{self, primary, silent, standby},
        },
    };

    fn member(name: &str, role: PatroniRole) -> PatroniMember {
        PatroniMember {
            name: name.into(),
            role,
            state: "running".into(),
            timeline: Some(1),
            lag: None,
            nofailover: false,
        }
    }

    fn pair() -> PatroniCluster {
        PatroniCluster {
            members: vec![
                member("a", PatroniRole::Leader),
                member("b", PatroniRole::Replica),
            ],
            paused: false,
        }
    }

    fn judged(gates: &[Gate], verdict: Verdict) -> Vec<&str> {
        gates
            .iter()
            .filter(|gate| gate.verdict == verdict)
            .map(|gate| &*gate.name)
            .collect()
    }

    /// What refuses a switchover from `a` to `b`, both healthy, without anything of the console's own to act with.
    fn refusing(seen: Result<PatroniCluster, String>) -> Vec<String> {
        let sights = [primary("a", 1, 1_000), standby("b", 1, 1_000)];
        let (memory, means) = (
            Memory::default(),
            [examples::means("a", 1), examples::means("b", 2)].map(|mut means| {
                means.control = super::super::Control::NotConfigured;
                (means.fence, means.rejoin) = (false, false);
                means
            }),
        );
        let situation = examples::situation(&sights, &memory, &means);
        let gates = patroni_switchover_gates(&situation, &seen, "b");
        judged(&gates, Verdict::Refused)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn changed(change: impl Fn(&mut PatroniCluster)) -> Result<PatroniCluster, String> {
        let mut cluster = pair();
        change(&mut cluster);
        Ok(cluster)
    }

    #[test]
    fn a_healthy_cluster_of_patronis_needs_nothing_of_the_console() {
        assert_eq!(refusing(Ok(pair())), [""; 0]);
    }

    #[test]
    fn each_gate_refuses_by_its_own_name() {
        let all = [
            "patroni",
            "patroni_leader",
            "patroni_running",
            "patroni_candidate",
        ];
        assert_eq!(refusing(Err("it is down".into())), all);
        assert_eq!(
            refusing(changed(|cluster| cluster.paused = true)),
            ["patroni_running"]
        );
        let unfit: [fn(&mut PatroniCluster); 4] = [
            |cluster| cluster.members[1].nofailover = true,
            |cluster| cluster.members[1].state = "stopped".into(),
            |cluster| {
                cluster.members.pop();
            },
            |cluster| cluster.members.push(member("c", PatroniRole::SyncStandby)),
        ];
        for unfit in unfit {
            assert_eq!(refusing(changed(unfit)), ["patroni_candidate"]);
        }
        let leaders: [fn(&mut PatroniCluster); 3] = [
            |cluster| cluster.members[0].role = PatroniRole::StandbyLeader,
            |cluster| cluster.members[0].role = PatroniRole::Replica,
            |cluster| cluster.members[0].name = "c".into(),
        ];
        for wrong in leaders {
            assert_eq!(refusing(changed(wrong)), ["patroni_leader"]);
        }
    }

    #[test]
    fn a_failover_asks_who_patroni_takes_for_the_leader_and_whether_it_would_demote_the_old_one() {
        let mut memory = Memory::default();
        memory.note(0, &[primary("a", 1, 1_000)]);
        memory.note(1_000, &[silent("a")]);
        let mut sights = [silent("a"), standby("b", 1, 1_000)];
        if let Ok(state) = &mut sights[1].answer
            && let crate::cluster::Part::Standby(standby) = &mut state.part
        {
            standby.receiver = None;
        }
        let means = [examples::means("a", 1), examples::means("b", 2)];
        let situation = examples::situation(&sights, &memory, &means);
        let gates = |cluster: PatroniCluster| patroni_failover_gates(&situation, &Ok(cluster), "b", None);
        let still_led = gates(pair());
        assert_eq!(judged(&still_led, Verdict::Refused), [""; 0]);
        assert_eq!(judged(&still_led, Verdict::Warned), [""; 0]);
        let mut paused = pair();
        paused.paused = true;
        paused.members.remove(0);
        assert_eq!(judged(&gates(paused), Verdict::Warned), ["patroni_running"]);
        let mut done = pair();
        done.members[0].role = PatroniRole::Replica;
        done.members[1].role = PatroniRole::Leader;
        assert!(judged(&gates(done), Verdict::Refused).contains(&"patroni_leader"));
    }

    #[test]
    fn what_is_left_out_is_there_without_patroni() {
        let sights = [primary("a", 1, 1_000), standby("b", 1, 1_000)];
        let (memory, means) = (
            Memory::default(),
            [examples::means("a", 1), examples::means("b", 2)],
        );
        let situation = examples::situation(&sights, &memory, &means);
        let mut own = switchover_gates(&situation, "b");
        own.extend(failover_gates(&situation, "b", None));
        for name in OF_OWN_ACTS {
            assert!(own.iter().any(|gate| gate.name == name), "{name}");
        }
    }
}
