//! Whether commits would wait in vain for a synchronous standby, before the change or after it.

use super::{
    Situation,
    others::Way,
    situation::{Judged, gate, passed, refused, warned},
};
use crate::{
    action::Gate,
    cluster::{PrimaryState, Synchronous},
};

/// Whether commits on the present primary come through: what hangs does not end when clients are held back.
pub(super) fn come_through(name: &str, primary: &PrimaryState) -> Judged {
    match primary.hanging_commits() {
        None => passed("They do not wait for a standby that is not there."),
        Some((needed, there)) => refused(format!(
            "{name} waits for {needed} of {} and {there} of them answer: commits hang, and would not end when clients are held back. Have the standby \
             stream again, or run ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf() there, as a superuser.",
            primary.synchronous_standby_names
        )),
    }
}

impl Situation<'_> {
    /// Whether commits on the candidate would come through once it is the primary: its own setting counts then, and the old
    /// primary does not follow it yet.
    pub(super) fn synchronous(&self, old: Option<&str>, candidate: &str) -> Gate {
        let setting = self
            .standby(candidate)
            .map(|(_, standby)| standby.synchronous_standby_names.as_str());
        let verdict = match setting.map(|setting| (setting, Synchronous::read(setting))) {
            None => refused("It is not known."),
            Some((_, None)) => passed(format!("{candidate} will wait for no standby.")),
            Some((setting, Some(Synchronous { count }))) => {
                let following: Vec<_> = self
                    .others(old, candidate)
                    .filter(|other| matches!(other.way, Way::Candidate | Way::Elsewhere(_)))
                    .map(|other| other.name)
                    .collect();
                if following.len() < count {
                    refused(format!(
                        "As the primary {candidate} will wait for {count} of {setting}, and nobody would follow it in time: all writes would hang. Run \
                         ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf() on {candidate}, as a superuser, and set it again \
                         when a standby follows."
                    ))
                } else {
                    warned(format!(
                        "As the primary {candidate} will wait for {count} of {setting}: nothing is acknowledged until {} is one of them and follows.",
                        following.join(" or ")
                    ))
                }
            }
        };
        gate(
            "synchronous",
            "Commits on the candidate will come through",
            verdict,
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        action::Verdict,
        cluster::{NodeSight, Part},
        failover::{
            Memory,
            examples::{self, primary, standby},
            switchover_gates,
        },
    };

    fn judged(sights: &[NodeSight], gate: &str) -> (Verdict, String) {
        let memory = Memory::default();
        let means = [("a", 1), ("b", 2), ("c", 3)].map(|(name, port)| examples::means(name, port));
        let gates = switchover_gates(&examples::situation(sights, &memory, &means), "b");
        let gate = gates.into_iter().find(|one| one.name == gate).unwrap();
        (gate.verdict, gate.reason)
    }

    fn waiting_for(mut node: NodeSight, names: &str) -> NodeSight {
        if let Ok(state) = &mut node.answer {
            match &mut state.part {
                Part::Primary(primary) => primary.synchronous_standby_names = names.into(),
                Part::Standby(standby) => standby.synchronous_standby_names = names.into(),
            }
        }
        node
    }

    #[test]
    fn commits_that_hang_on_the_primary_refuse_a_switchover() {
        let (verdict, reason) = judged(
            &[waiting_for(primary("a", 1, 9), "z"), standby("b", 1, 9)],
            "commits",
        );
        assert_eq!(verdict, Verdict::Refused);
        assert!(
            reason.contains("a waits for 1 of z and 0 of them answer"),
            "{reason}"
        );
    }

    #[test]
    fn a_candidate_that_would_wait_for_nobody_in_sight_is_refused() {
        let b = || waiting_for(standby("b", 1, 9), "a");
        let (verdict, reason) = judged(&[primary("a", 1, 9), b()], "synchronous");
        assert_eq!(verdict, Verdict::Refused);
        assert!(reason.contains("all writes would hang"), "{reason}");
        // One that streams from the old primary by its own address does not follow either.
        let from = |port| examples::from(standby("c", 1, 9), "127.0.0.1", port);
        assert_eq!(
            judged(&[primary("a", 1, 9), b(), from(1)], "synchronous").0,
            Verdict::Refused
        );
        let (verdict, reason) = judged(&[primary("a", 1, 9), b(), from(2)], "synchronous");
        assert_eq!(verdict, Verdict::Warned);
        assert!(reason.contains("until c is one of them"), "{reason}");
    }
}
