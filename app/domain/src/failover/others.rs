//! The standbys besides the candidate: whom they will follow.

use super::{
    Situation,
    situation::{gate, passed, warned},
};
use crate::{action::Gate, cluster::NodeSight};

/// From where a standby streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// From the candidate: it goes on by itself.
    Candidate,
    /// From the old primary, by that one's own address.
    Old,
    /// By another address, which may lead to the new primary afterwards: host and port.
    Elsewhere(String),
    /// From nobody.
    Nobody,
}

/// A standby that is neither the old primary nor the candidate.
#[derive(Debug)]
pub(super) struct Other<'a> {
    pub name: &'a str,
    pub way: Way,
}

impl<'a> Situation<'a> {
    /// The other standbys.
    pub(super) fn others(&self, old: Option<&str>, candidate: &str) -> impl Iterator<Item = Other<'a>> {
        let besides = |sight: &&NodeSight| sight.name != candidate && Some(&*sight.name) != old;
        let others = self.sights.iter().filter(besides).filter_map(move |sight| {
            let (_, standby) = sight.standby()?;
            let receiver = standby.receiver.as_ref();
            let sender =
                receiver.and_then(|receiver| Some((receiver.sender_host.as_deref()?, receiver.sender_port?)));
            let is = |name: &str| sender.is_some_and(|sender| self.is_at(name, sender));
            let way = match (receiver, sender) {
                (None, _) => Way::Nobody,
                (Some(_), _) if is(candidate) => Way::Candidate,
                (Some(_), _) if old.is_some_and(is) => Way::Old,
                (Some(_), Some((host, port))) => Way::Elsewhere(format!("{host}:{port}")),
                (Some(_), None) => Way::Elsewhere("an address that it does not say".to_owned()),
            };
            Some(Other {
                name: &sight.name,
                way,
            })
        });
        others.collect::<Vec<_>>().into_iter()
    }

    /// Whether a node is there, by the address for clients or its own.
    pub(super) fn is_at(&self, name: &str, (host, port): (&str, i32)) -> bool {
        self.means(name).is_some_and(|means| {
            [&means.address, &means.own]
                .into_iter()
                .any(|(its, at)| its == host && i32::from(*at) == port)
        })
    }

    /// Whether the other standbys will follow the new primary. `rejoins` is that the old one becomes a standby by itself, so that
    /// who streams from it goes on behind it.
    pub(super) fn others_follow(&self, old: Option<&str>, candidate: &str, rejoins: bool) -> Gate {
        let mut words = Vec::new();
        let mut odd = false;
        for Other { name, way } in self.others(old, candidate) {
            let old = old.unwrap_or("the old primary");
            words.push(match way {
                Way::Candidate => format!("{name} streams from {candidate} and goes on"),
                Way::Old if rejoins => {
                    format!("{name} streams from {old}, and goes on behind it when that is a standby")
                }
                Way::Old => {
                    odd = true;
                    format!("{name} streams from {old} itself and has to be told of {candidate}")
                }
                Way::Elsewhere(address) => {
                    format!("{name} streams from {address}, and follows if that leads to {candidate}")
                }
                Way::Nobody => {
                    odd = true;
                    format!("{name} receives nothing now, and follows only if its primary_conninfo leads to {candidate}")
                }
            });
        }
        let verdict = if words.is_empty() {
            passed("There is no other standby.")
        } else if odd {
            warned(format!(
                "{}. The last step says what to run there.",
                words.join("; ")
            ))
        } else {
            passed(format!("{}.", words.join("; ")))
        };
        gate("others", "Other standbys will follow the new primary", verdict)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        action::Verdict,
        failover::{
            Memory,
            examples::{self, from, primary, standby},
            switchover_gates,
        },
    };

    #[test]
    fn each_other_standby_is_named_with_whom_it_will_follow() {
        let memory = Memory::default();
        let judged = |port: u16, rejoins: bool| {
            let mut means = [("a", 1), ("b", 2), ("c", 3)].map(|(name, port)| examples::means(name, port));
            means[0].rejoin = rejoins;
            let sights = [
                primary("a", 1, 9),
                standby("b", 1, 9),
                from(standby("c", 1, 9), "127.0.0.1", port),
            ];
            let gates = switchover_gates(&examples::situation(&sights, &memory, &means), "b");
            let gate = gates.into_iter().find(|gate| gate.name == "others").unwrap();
            (gate.verdict, gate.reason)
        };
        let (verdict, reason) = judged(1, false);
        assert_eq!(verdict, Verdict::Warned);
        assert!(
            reason.starts_with("c streams from a itself and has to be told of b"),
            "{reason}"
        );
        let (verdict, reason) = judged(1, true);
        assert_eq!(verdict, Verdict::Passed);
        assert!(reason.contains("goes on behind it"), "{reason}");
        assert_eq!(judged(2, false).1, "c streams from b and goes on.");
        assert_eq!(
            judged(9, false),
            (
                Verdict::Passed,
                "c streams from 127.0.0.1:9, and follows if that leads to b.".to_owned()
            )
        );
    }
}
