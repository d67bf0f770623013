//! The way to a failover that loses more than the limit: the same again, with the loss accepted.

use leptos::prelude::*;
use quarterdeck_domain::action::{ActionKind, Verdict};

use crate::view::action::PlanView;

/// The node that a plan would fail over to, if what would be lost is all too much.
pub(super) fn refused_for_its_loss(plan: &PlanView) -> Option<String> {
    let refused =
        |gate: &crate::view::action::GateView| gate.name == "loss" && gate.verdict == Verdict::Refused;
    let candidate = plan.params.get("candidate").and_then(|name| name.as_str());
    (plan.kind == ActionKind::Failover && plan.gates.iter().any(refused))
        .then(|| candidate.map(str::to_owned))
        .flatten()
}

/// Leads to the plan with the loss accepted. Nothing has happened then either.
#[component]
pub(super) fn AcceptLoss(candidate: String) -> impl IntoView {
    view! {
        <form method="get" action="/actions/new" class="panel form">
            <input type="hidden" name="kind" value=ActionKind::Failover.as_str() />
            <input type="hidden" name="candidate" value=candidate />
            <input type="hidden" name="accept_loss" value="yes" />
            <p>"If nothing better is left, the estimated loss can be accepted. The plan then names the most that may be lost; whoever approves accepts \
                that figure, and nothing is promoted where it would be more."</p>
            <button class="button" type="submit">"Accept the loss, and plan again"</button>
        </form>
    }
}
