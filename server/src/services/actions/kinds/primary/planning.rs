//! What changing the primary would touch, and what stands against it.

use quarterdeck_domain::{
    action::{Fact, Params, Plan, Target},
    cluster::NodeSight,
    failover::{Loss, LossBound, Situation, failover_gates, gone_primary, switchover_gates},
};
use time::OffsetDateTime;

use super::{PRIMARY, PrimaryHandler};

impl PrimaryHandler {
    pub(super) async fn plan_switchover(
        &self,
        params: &Params,
        candidate: &str,
        now: OffsetDateTime,
    ) -> Plan {
        let known = self.failover.known(candidate).await;
        let situation = known.situation();
        let primary = situation
            .topology()
            .primary()
            .map(|(sight, _, _)| sight.name.as_str());
        let patience = self.failover.config().patience_s;
        let meanwhile = if self.failover.routing().holds() {
            format!(
                "Clients wait from the moment they are held back until {candidate} takes writes, usually some seconds and at most about twice \
                 {patience} s if it has to be given up."
            )
        } else {
            format!(
                "Clients can't be held back: they get errors from the moment the primary is read-only until they are sent to {candidate}, usually \
                 some seconds and at most about {patience} s if it has to be given up."
            )
        };
        Plan {
            params: params.clone(),
            planned_at: now,
            targets: targets(&situation, primary, candidate, "a standby", Vec::new()),
            left_out: Vec::new(),
            gates: switchover_gates(&situation, candidate),
            effect: format!(
                "{meanwhile} Sessions that go to the nodes directly are ended. Nothing that was acknowledged is lost."
            ),
            expected_s: 15,
            undo: "Another switchover leads back.".to_owned(),
        }
    }

    pub(super) async fn plan_failover(
        &self,
        candidate: &str,
        acceptance: Acceptance,
        now: OffsetDateTime,
    ) -> Plan {
        let known = self.failover.known(candidate).await;
        let situation = known.situation();
        let gone = gone_primary(&situation, candidate);
        let loss = situation.loss(candidate);
        let accepted = acceptance.bound(&situation, candidate);
        Plan {
            params: acceptance.params(candidate, accepted),
            planned_at: now,
            targets: targets(
                &situation,
                gone,
                candidate,
                "kept from taking writes",
                loss_facts(&situation, loss, accepted),
            ),
            left_out: Vec::new(),
            gates: failover_gates(&situation, candidate, accepted),
            effect: format!(
                "{candidate} takes writes, clients are sent there, and what the old primary had acknowledged and {candidate} had not received is lost: {loss}."
            ),
            expected_s: 10,
            undo: "Not possible: what is lost stays lost unless the old primary can be read. It is made a standby afterwards, and a switchover \
                   leads back."
                .to_owned(),
        }
    }
}

/// What is said about the loss when a failover is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acceptance {
    /// That it is accepted.
    pub accept_loss: bool,
    /// The most that is, once that was planned.
    pub at_most: Option<LossBound>,
    /// Whether it was agreed to already: then no new figure is put in.
    pub agreed: bool,
}

impl Acceptance {
    /// The most that is accepted, over the limit: the figure that was agreed to, or one that covers the present estimate.
    pub(super) fn bound(self, situation: &Situation<'_>, candidate: &str) -> Option<LossBound> {
        match self.at_most {
            _ if !self.accept_loss => None,
            None if !self.agreed => Some(situation.loss_bound(candidate)),
            at_most => at_most,
        }
    }

    /// The parameters with the figure.
    pub(super) fn params(self, candidate: &str, accepted: Option<LossBound>) -> Params {
        Params::Failover {
            candidate: candidate.to_owned(),
            accept_loss: self.accept_loss,
            at_most: accepted,
        }
    }
}

/// The estimate, which each console has of its own and which moves; and what consent rests on.
pub(super) fn loss_facts(situation: &Situation<'_>, loss: Loss, accepted: Option<LossBound>) -> Vec<Fact> {
    let most = accepted.unwrap_or_else(|| situation.limits.loss());
    vec![
        Fact::shown("estimated loss", loss.to_string()),
        Fact::binding("accepted loss", most.to_string()),
    ]
}

/// The old primary, the candidate, and where clients are sent.
pub(super) fn targets(
    situation: &Situation<'_>,
    old: Option<&str>,
    candidate: &str,
    old_becomes: &str,
    agreed_to: Vec<Fact>,
) -> Vec<Target> {
    let topology = situation.topology();
    let mut targets = Vec::new();
    if let Some(old) = old {
        let mut facts = Vec::new();
        if let Some((state, primary)) = topology.node(old).and_then(NodeSight::primary) {
            facts.push(Fact::binding("timeline", text(state.timeline)));
            facts.push(Fact::shown("on disk up to", primary.flushed.to_string()));
        } else if let Some((_, position)) = situation.memory.of(old).and_then(|known| known.last()) {
            facts.push(Fact::shown(
                "when it was seen last, on disk up to",
                position.to_string(),
            ));
        }
        facts.push(Fact::shown("will be", old_becomes));
        targets.push(Target {
            kind: PRIMARY.to_owned(),
            id: old.to_owned(),
            title: format!("{old}, the primary until now"),
            facts,
        });
    }
    let mut facts = Vec::new();
    if let Some((state, standby)) = topology.node(candidate).and_then(NodeSight::standby) {
        facts.push(Fact::binding("system identifier", text(state.system_identifier)));
        facts.push(Fact::shown("timeline", text(state.timeline)));
        facts.push(Fact::shown("received up to", text(standby.position())));
        if let Some((receive, replay)) = topology.behind(candidate) {
            facts.push(Fact::shown(
                "behind",
                format!("{receive} bytes to receive, {replay} bytes to replay"),
            ));
        }
    }
    facts.extend(agreed_to);
    facts.push(Fact::shown("will be", "the primary"));
    targets.push(Target {
        kind: "standby".to_owned(),
        id: candidate.to_owned(),
        title: format!("{candidate}, the standby"),
        facts,
    });
    let address = situation.means(candidate).map_or_else(
        || candidate.to_owned(),
        |means| format!("{}:{}", means.address.0, means.address.1),
    );
    for to in situation.routing.now.iter().flat_map(|now| &now.to) {
        targets.push(Target {
            kind: "clients".to_owned(),
            id: to.name.clone(),
            title: format!("clients of {}, by {}", to.name, situation.routing.by),
            facts: vec![
                Fact::binding("sent to", format!("{}:{}", to.host, to.port)),
                Fact::binding("will be sent to", address.clone()),
            ],
        });
    }
    targets
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| value.to_string())
}
