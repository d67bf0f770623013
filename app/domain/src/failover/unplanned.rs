//! The gates of a failover: the primary is dead or lost.

use super::{
    ExporterWord, Loss, LossBound, Situation,
    situation::{gate, passed, refused, warned},
};
use crate::{
    action::{Gate, Verdict},
    cluster::{NodeSight, Receiver},
};

/// The primary that is gone, from the candidate's view: the one that was seen as such last, else the only other node.
/// None if that can't be said.
#[must_use]
pub fn gone_primary<'a>(situation: &Situation<'a>, candidate: &str) -> Option<&'a str> {
    if let Some((sight, _, _)) = situation.topology().primary() {
        return Some(&sight.name);
    }
    if let Some((name, _)) = situation.memory.primary()
        && name != candidate
    {
        return Some(name);
    }
    let mut others = situation.sights.iter().filter(|sight| sight.name != candidate);
    match (others.next(), others.next()) {
        (Some(only), None) => Some(&only.name),
        (Some(_) | None, _) => None,
    }
}

/// The gates of a failover to `candidate`, in their fixed order. `accepted` is the most that whoever asks accepts to lose, over
/// the limit; an approval is for that very figure.
#[must_use]
pub fn failover_gates(situation: &Situation<'_>, candidate: &str, accepted: Option<LossBound>) -> Vec<Gate> {
    let gone = gone_primary(situation, candidate);
    vec![
        primary_unreachable(situation, candidate, gone),
        situation.candidate_reachable(candidate),
        situation.in_recovery(candidate),
        same_system(situation, candidate, gone),
        most_advanced(situation, candidate),
        situation.replay(candidate),
        situation.synchronous(gone, candidate),
        loss(situation, candidate, gone, accepted),
        fence(situation, gone),
        situation.cut(gone),
        situation.others_follow(gone, candidate, false),
        situation.repoint(gone, true),
        situation.alone(),
        situation.rights(&[candidate]),
    ]
}

/// Three vantages: the console, the candidate's WAL receiver, the exporter. Two must say that it is gone; while the console
/// reaches it, or the standby hears it, it is not gone whatever the others say.
fn primary_unreachable(situation: &Situation<'_>, candidate: &str, gone: Option<&str>) -> Gate {
    const NAME: &str = "primary_unreachable";
    const TITLE: &str = "The primary is really gone";
    let Some(gone) = gone else {
        return gate(
            NAME,
            TITLE,
            refused(
                "It is not known which node was the primary: none was seen since the console started, and there is more than one other node.",
            ),
        );
    };
    if gone == candidate {
        return gate(NAME, TITLE, refused(format!("{gone} is the primary itself.")));
    }
    let silence = match situation.topology().node(gone).map(|node| &node.answer) {
        Some(Ok(_)) => {
            return gate(
                NAME,
                TITLE,
                refused(
                    if situation
                        .topology()
                        .node(gone)
                        .and_then(NodeSight::state)
                        .is_some_and(|state| state.read_only)
                    {
                        format!(
                            "The console reaches {gone}, which is kept read-only. If no other node was promoted, and no promotion is under way, let it \
                         write again: ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()."
                        )
                    } else {
                        format!("The console reaches {gone}. For a planned change ask for a switchover.")
                    },
                ),
            );
        }
        Some(Err(silence)) => silence.as_str(),
        None => "is not configured",
    };
    if situation.topology().node(gone).is_some_and(|node| node.refuses) {
        return gate(
            NAME,
            TITLE,
            refused(format!(
                "{gone} {silence}: it refuses the console, and so it is there. It may well be taking writes."
            )),
        );
    }
    if let Some(other) = hears(situation, candidate) {
        return gate(
            NAME,
            TITLE,
            refused(format!(
                "{other} still hears its primary, which is not {candidate}: {gone} may well be taking writes."
            )),
        );
    }
    let heard = situation
        .standby(candidate)
        .and_then(|(_, standby)| standby.receiver.as_ref());
    let standby = match heard.filter(|receiver| receiver.status == "streaming") {
        Some(receiver) => match receiver.last_message_age_ms {
            Some(age) if age <= situation.limits.silence_ms => {
                return gate(NAME, TITLE, refused(format!(
                    "{candidate} still hears {gone}: its last message came {age} ms ago. The console can't reach it, but it may well be taking writes."
                ))
                ).with_figure(format!("{age} ms"));
            }
            Some(age) => Some(format!(
                "{candidate} has heard nothing of it for {} s",
                age / 1000
            )),
            None => None,
        },
        None if situation.standby(candidate).is_some() => {
            Some(format!("{candidate} receives nothing from it"))
        }
        None => None,
    };
    let mut says_gone = vec![format!("{gone} {silence} for the console")];
    let mut says_not = Vec::new();
    match standby {
        Some(words) => says_gone.push(words),
        None => says_not.push(format!("what {candidate} hears is not known")),
    }
    match &situation.exporter {
        ExporterWord::Down => says_gone.push("its exporter does not reach it either".to_owned()),
        ExporterWord::Up => says_not.push("its exporter says that it is up".to_owned()),
        ExporterWord::Unknown(why) => says_not.push(format!("its exporter is no help: {why}")),
    }
    let figure = format!("{} of 3 vantages", says_gone.len());
    let verdict = if says_gone.len() < 2 {
        refused(format!(
            "Only one vantage says that it is gone: {}; {}. At least two have to.",
            says_gone.join("; "),
            says_not.join("; ")
        ))
    } else if says_not.is_empty() {
        passed(format!("{}.", says_gone.join("; ")))
    } else {
        warned(format!("{}. But {}.", says_gone.join("; "), says_not.join("; ")))
    };
    gate(NAME, TITLE, verdict).with_figure(figure)
}

/// Another standby that hears a primary, which is not the candidate.
fn hears<'a>(situation: &Situation<'a>, candidate: &str) -> Option<&'a str> {
    let from_candidate = |receiver: &Receiver| {
        let sender = (receiver.sender_host.as_deref()?, receiver.sender_port?);
        Some(situation.is_at(candidate, sender))
    };
    let hearing = |sight: &&NodeSight| {
        let receiver = sight.standby().and_then(|(_, standby)| standby.receiver.as_ref());
        receiver.is_some_and(|receiver| {
            let fresh = receiver
                .last_message_age_ms
                .is_some_and(|age| age <= situation.limits.silence_ms);
            receiver.status == "streaming" && fresh && from_candidate(receiver) != Some(true)
        })
    };
    let others = situation.sights.iter().filter(|sight| sight.name != candidate);
    others.filter(hearing).map(|sight| sight.name.as_str()).next()
}

fn same_system(situation: &Situation<'_>, candidate: &str, gone: Option<&str>) -> Gate {
    let of_candidate = situation
        .topology()
        .node(candidate)
        .and_then(NodeSight::state)
        .and_then(|state| state.system_identifier);
    let of_gone = gone
        .and_then(|gone| situation.memory.of(gone))
        .and_then(|known| known.system_identifier);
    let verdict = match (of_candidate, of_gone) {
        (Some(candidate_id), Some(id)) if candidate_id == id => {
            passed(format!("Both have the system identifier {id}."))
        }
        (Some(candidate_id), Some(id)) => refused(format!(
            "{candidate} is of another cluster: its system identifier is {candidate_id}, the primary's was {id}."
        )),
        (Some(id), None) => warned(format!(
            "{candidate} has the system identifier {id}; the primary was not seen since the console started, so that its own is not known."
        )),
        (None, _) => refused(
            "The candidate's system identifier is not known: its role may not ask. GRANT pg_monitor to it.",
        ),
    };
    gate("same_system", "The candidate is of the same cluster", verdict)
}

/// No other node may have more than the candidate.
fn most_advanced(situation: &Situation<'_>, candidate: &str) -> Gate {
    let reach = |name: &str| {
        situation
            .standby(name)
            .and_then(|(state, standby)| Some((state.timeline?, standby.position()?)))
    };
    let mine = reach(candidate);
    let ahead = situation
        .sights
        .iter()
        .filter(|sight| sight.name != candidate)
        .find(|sight| reach(&sight.name) > mine);
    let verdict = match (mine, ahead) {
        (None, _) => refused("Its timeline or its position is not known."),
        (Some(_), Some(other)) => refused(format!(
            "{} has more: promote that one, or what only it has is lost.",
            other.name
        )),
        (Some((timeline, position)), None) => passed(format!(
            "Timeline {timeline}, position {position}: no other node has more."
        )),
    };
    gate("most_advanced", "No node has more than the candidate", verdict)
}

fn loss(situation: &Situation<'_>, candidate: &str, gone: Option<&str>, accepted: Option<LossBound>) -> Gate {
    let loss = loss_of(situation, candidate, gone);
    let limit = situation.limits.loss();
    // What is accepted is warned of however little it comes to: consoles differ in their estimates, and must not in this.
    let verdict = match accepted {
        None if loss.within(limit) => passed(format!("Estimated loss: {loss}; the limit is {limit}.")),
        None => refused(format!(
            "Estimated loss: {loss}, over the limit of {limit}. Ask again and accept the loss, if nothing else is left."
        )),
        Some(accepted) if loss.within(accepted) => warned(format!(
            "Estimated loss: {loss}. Whoever asks accepts {accepted}, and so does whoever approves; the limit is {limit}."
        )),
        Some(accepted) => refused(format!(
            "Estimated loss: {loss}, which is more than was accepted: {accepted}. Ask again and accept the loss, if nothing else is left."
        )),
    };
    gate("loss", "What would be lost is bearable", verdict).with_figure(loss.to_string())
}

/// What a failover to `candidate` would lose.
pub(super) fn loss_of(situation: &Situation<'_>, candidate: &str, gone: Option<&str>) -> Loss {
    let position = situation
        .standby(candidate)
        .and_then(|(_, standby)| standby.position());
    position.map_or(Loss::Unknown, |position| {
        Loss::estimate(gone.and_then(|gone| situation.memory.of(gone)), position)
    })
}

impl Situation<'_> {
    /// What a failover to `candidate` would lose.
    #[must_use]
    pub fn loss(&self, candidate: &str) -> Loss {
        loss_of(self, candidate, gone_primary(self, candidate))
    }

    /// What somebody who accepts that accepts; never less than the limit.
    #[must_use]
    pub fn loss_bound(&self, candidate: &str) -> LossBound {
        let gone = gone_primary(self, candidate);
        let bound = loss_of(self, candidate, gone).bound(gone.and_then(|gone| self.memory.of(gone)));
        bound.or(self.limits.loss())
    }
}

fn fence(situation: &Situation<'_>, gone: Option<&str>) -> Gate {
    let means = gone.and_then(|gone| situation.means(gone));
    let verdict = match means {
        None => (
            Verdict::Refused,
            "It is not known which node to fence.".to_owned(),
        ),
        Some(means) if means.fence => passed(format!(
            "A program takes {} down; when it comes back anyway, it is made read-only and its sessions are ended.",
            means.name
        )),
        Some(means) => warned(format!(
            "No program is configured that takes {} down (fence in its [[postgres]] section). Clients are sent elsewhere, and when it comes \
             back it is made read-only and its sessions are ended; who connects to it directly may write until then.",
            means.name
        )),
    };
    gate("fence", "The old primary can be kept from taking writes", verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::Part,
        failover::{
            Control, Holding, Memory,
            examples::{self, primary, silent, standby},
        },
    };

    /// `a` was the primary and is gone; `b` is its standby.
    struct Case {
        sights: Vec<NodeSight>,
        memory: Memory,
        means: Vec<crate::failover::NodeMeans>,
        exporter: ExporterWord,
        holding: Holding,
    }

    impl Case {
        fn new() -> Self {
            let mut memory = Memory::default();
            memory.note(0, &[primary("a", 1, 1_000)]);
            memory.note(2_000, &[silent("a")]);
            Self {
                sights: vec![silent("a"), receiving(standby("b", 1, 1_000), None)],
                memory,
                means: vec![examples::means("a", 1), examples::means("b", 2)],
                exporter: ExporterWord::Down,
                holding: Holding::Transactions,
            }
        }

        fn situation(&self) -> Situation<'_> {
            let mut situation = Situation {
                exporter: self.exporter.clone(),
                ..examples::situation(&self.sights, &self.memory, &self.means)
            };
            if let Ok(now) = &mut situation.routing.now {
                now.holding = self.holding.clone();
            }
            situation
        }

        fn gates(&self, accepted: Option<LossBound>) -> Vec<Gate> {
            failover_gates(&self.situation(), "b", accepted)
        }

        fn bound(&self) -> LossBound {
            self.situation().loss_bound("b")
        }

        fn judged(&self, gate: &str) -> (Verdict, String) {
            let gates = self.gates(None);
            let gate = gates.iter().find(|one| one.name == gate).unwrap();
            (gate.verdict, gate.reason.clone())
        }
    }

    fn receiving(mut node: NodeSight, heard_ms: Option<i64>) -> NodeSight {
        if let Ok(state) = &mut node.answer
            && let Part::Standby(standby) = &mut state.part
        {
            match (&mut standby.receiver, heard_ms) {
                (Some(receiver), Some(_)) => receiver.last_message_age_ms = heard_ms,
                (receiver, _) => *receiver = None,
            }
        }
        node
    }

    #[test]
    fn a_dead_primary_with_a_standby_that_has_everything_passes_every_gate_in_order() {
        let gates = Case::new().gates(None);
        assert!(
            gates.iter().all(|gate| gate.verdict == Verdict::Passed),
            "{gates:#?}"
        );
        let names: Vec<_> = gates.iter().map(|gate| gate.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "primary_unreachable",
                "candidate_reachable",
                "in_recovery",
                "same_system",
                "most_advanced",
                "replay",
                "synchronous",
                "loss",
                "fence",
                "cut",
                "others",
                "repoint",
                "alone",
                "rights"
            ]
        );
    }

    #[test]
    fn a_primary_that_the_console_reaches_is_not_gone_whatever_the_exporter_says() {
        let mut case = Case::new();
        case.sights[0] = primary("a", 1, 1_000);
        let (verdict, reason) = case.judged("primary_unreachable");
        assert_eq!(verdict, Verdict::Refused);
        assert!(reason.contains("reaches a"), "{reason}");
    }

    #[test]
    fn a_primary_that_refuses_the_console_or_is_heard_by_another_standby_is_not_gone() {
        let mut case = Case::new();
        case.sights[0].refuses = true;
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Refused);
        let mut case = Case::new();
        case.sights.push(standby("c", 1, 900));
        let (verdict, reason) = case.judged("primary_unreachable");
        assert_eq!(verdict, Verdict::Refused);
        assert!(reason.contains("c still hears"), "{reason}");
        // It follows the candidate.
        if let Ok(state) = &mut case.sights[2].answer
            && let Part::Standby(standby) = &mut state.part
            && let Some(receiver) = &mut standby.receiver
        {
            (receiver.sender_host, receiver.sender_port) = (Some("127.0.0.1".into()), Some(2));
        }
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Passed);
    }

    #[test]
    fn a_primary_that_its_standby_hears_is_not_gone() {
        let mut case = Case::new();
        case.sights[1] = receiving(standby("b", 1, 1_000), Some(20_000));
        let (verdict, reason) = case.judged("primary_unreachable");
        assert_eq!(verdict, Verdict::Refused);
        assert!(reason.contains("still hears"), "{reason}");
        // A sender that hangs keeps its connection and says nothing.
        case.sights[1] = receiving(standby("b", 1, 1_000), Some(40_000));
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Passed);
    }

    #[test]
    fn an_exporter_alone_neither_prevents_nor_permits() {
        let mut case = Case::new();
        case.exporter = ExporterWord::Up;
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Warned);
        // What the standby hears is not known: one vantage is left.
        case.sights[1] = silent("b");
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Refused);
        case.exporter = ExporterWord::Down;
        assert_eq!(case.judged("primary_unreachable").0, Verdict::Warned);
        assert_eq!(case.judged("candidate_reachable").0, Verdict::Refused);
    }

    #[test]
    fn each_other_gate_refuses_by_its_own_name() {
        let refusing = |case: &Case| -> Vec<String> {
            let gates = case.gates(None);
            gates
                .iter()
                .filter(|gate| gate.verdict == Verdict::Refused)
                .map(|gate| gate.name.clone())
                .collect()
        };
        let mut case = Case::new();
        case.sights[1] = primary("b", 2, 1_000);
        assert!(refusing(&case).contains(&"in_recovery".to_owned()));

        let mut case = Case::new();
        if let Ok(state) = &mut case.sights[1].answer {
            state.system_identifier = Some(8);
        }
        assert_eq!(refusing(&case), ["same_system"]);

        let mut case = Case::new();
        case.sights.push(receiving(standby("c", 1, 1_001), None));
        assert_eq!(refusing(&case), ["most_advanced"]);

        let mut case = Case::new();
        if let Ok(state) = &mut case.sights[1].answer
            && let Part::Standby(standby) = &mut state.part
        {
            standby.replay_paused = true;
        }
        assert_eq!(refusing(&case), ["replay"]);

        let mut case = Case::new();
        case.means[1].control = Control::Missing(vec!["GRANT EXECUTE …".into()]);
        assert_eq!(refusing(&case), ["rights"]);
        assert!(case.judged("rights").1.contains("GRANT EXECUTE"));

        let mut case = Case::new();
        case.means[0].fence = false;
        assert_eq!(case.judged("fence").0, Verdict::Warned);
        assert_eq!(case.judged("cut").0, Verdict::Passed);

        let mut case = Case::new();
        case.holding = Holding::Impossible;
        let (verdict, reason) = case.judged("cut");
        assert_eq!(verdict, Verdict::Warned);
        assert!(reason.contains("takes a down is what keeps"), "{reason}");
        case.means[0].fence = false;
        let (_, reason) = case.judged("cut");
        assert!(reason.contains("what they wrote by then is lost"), "{reason}");
    }

    #[test]
    fn a_loss_over_the_limit_has_to_be_accepted_with_its_figure() {
        let mut case = Case::new();
        case.sights[1] = receiving(standby("b", 1, 400), None);
        let (verdict, reason) = case.judged("loss");
        assert_eq!(verdict, Verdict::Refused);
        assert!(reason.contains("600 bytes"), "{reason}");
        let judged = |case: &Case, accepted| {
            let gates = case.gates(Some(accepted));
            gates.into_iter().find(|gate| gate.name == "loss").unwrap()
        };
        let accepted = case.bound();
        let loss = judged(&case, accepted);
        assert_eq!(loss.verdict, Verdict::Warned);
        assert!(loss.figure.as_ref().unwrap().contains("600 bytes"));
        assert!(loss.reason.contains(&accepted.to_string()), "{}", loss.reason);
        // Another console comes to less, or to more than that.
        case.sights[1] = receiving(standby("b", 1, 1_000), None);
        assert_eq!(judged(&case, accepted).verdict, Verdict::Warned);
        let less = LossBound {
            bytes: Some(599),
            ..accepted
        };
        case.sights[1] = receiving(standby("b", 1, 400), None);
        let more = judged(&case, less);
        assert_eq!(more.verdict, Verdict::Refused);
        assert!(more.reason.contains("more than was accepted"), "{}", more.reason);
        case.memory = Memory::default();
        assert_eq!(judged(&case, accepted).verdict, Verdict::Refused);
        assert_eq!(judged(&case, case.bound()).verdict, Verdict::Warned);
        assert!(case.judged("loss").1.contains("not known"));
        assert_eq!(case.judged("same_system").0, Verdict::Warned);
    }
}
