//! How a change of an action reads in the audit log and in notices, and whom it concerns.

use quarterdeck_domain::{
    action::{Agreed, Case, Failure, Params, Plan, State, Vote},
    audit::{Action, Detail, Object, Outcome},
};
use uuid::Uuid;

use super::views;
use crate::{
    db::actions::ActionRow,
    services::notices::{ActionNotice, ActionTopic, Audience},
};

/// A line of the audit log, and the topic of the notice.
pub(super) struct Entry {
    pub action: Action,
    pub object: Object,
    pub outcome: Outcome,
    pub detail: Detail,
    pub topic: ActionTopic,
}

/// An action as the object of an event.
pub(super) fn object(id: Uuid) -> Object {
    Object::new("action", id)
}

/// What every line about an action says.
pub(super) fn common(kind: &str, object: &str, case: &Case) -> Detail {
    let detail = Detail::none()
        .with("kind", kind)
        .with("what", object)
        .with("digest", case.digest.to_string())
        .with("policy_version", case.policy_version.to_string());
    let detail = if let Params::Failover {
        at_most: Some(accepted),
        ..
    } = &case.plan.params
    {
        detail.with("accepted_loss", accepted.to_string())
    } else {
        detail
    };
    if case.break_glass.is_some() {
        detail.with("break_glass", true)
    } else {
        detail
    }
}

/// The targets by their identity, as text that stays the same.
pub(super) fn targets(plan: &Plan) -> String {
    let ids: Vec<_> = plan
        .targets
        .iter()
        .map(|target| format!("{} {}", target.kind, target.id))
        .collect();
    ids.join(", ")
}

/// The line for a new request.
pub(super) fn requested(id: Uuid, case: &Case, reason: &str) -> Entry {
    let params = &case.plan.params;
    Entry {
        action: Action::ActionRequested,
        object: object(id),
        outcome: Outcome::Succeeded,
        detail: common(params.kind().as_str(), &params.object(), case)
            .with("reason", reason)
            .with("targets", targets(&case.plan))
            .with("approvals_needed", i32::from(case.rule.approvals)),
        topic: ActionTopic::Requested,
    }
}

/// The line for a change; none where nothing changed that the record has to tell.
pub(super) fn entry(row: &ActionRow, before: &Case, after: &Case) -> Option<Entry> {
    let detail = common(after.plan.params.kind().as_str(), &row.object, after);
    let entry = |action, outcome, detail, topic| {
        Some(Entry {
            action,
            object: object(row.id),
            outcome,
            detail,
            topic,
        })
    };
    if let (None, Some(review)) = (&before.review, &after.review) {
        let detail = detail.with("comment", review.comment.as_str());
        return entry(
            Action::ActionReviewed,
            Outcome::Succeeded,
            detail,
            ActionTopic::Reviewed,
        );
    }
    let voted: Option<&Vote> = after.votes.get(before.votes.len());
    match &after.state {
        State::Requested | State::Approved { .. } => {
            let vote = voted?;
            let detail = detail.with("comment", vote.comment.as_str());
            let topic = match &after.state {
                State::Approved {
                    agreed: Agreed::ByVotes,
                    ..
                } if before.state != after.state => ActionTopic::Approved,
                _ => ActionTopic::Vote,
            };
            entry(Action::ActionApproved, Outcome::Succeeded, detail, topic)
        }
        State::Rejected { reason, .. } => {
            let detail = detail.with("comment", reason.as_str());
            entry(
                Action::ActionRejected,
                Outcome::Succeeded,
                detail,
                ActionTopic::Rejected,
            )
        }
        State::Expired { .. } => entry(
            Action::ActionExpired,
            Outcome::Succeeded,
            detail,
            ActionTopic::Expired,
        ),
        State::Cancelled { .. } => entry(
            Action::ActionCancelled,
            Outcome::Succeeded,
            detail,
            ActionTopic::Cancelled,
        ),
        State::Executing { worker, stop, .. } => match (&before.state, worker, stop) {
            (State::Executing { stop: None, .. }, _, Some(_)) => entry(
                Action::ActionStopAsked,
                Outcome::Succeeded,
                detail,
                ActionTopic::StopAsked,
            ),
            // Taken up by a worker: the intent is recorded already.
            (State::Executing { .. }, _, _) => None,
            (_, _, _) => {
                let approvals: Vec<_> = after.votes.iter().map(|vote| vote.voter.name.as_str()).collect();
                let detail = detail
                    .with("targets", targets(&after.plan))
                    .with("votes", approvals.join(", "));
                entry(
                    Action::ActionStarted,
                    Outcome::Succeeded,
                    detail,
                    ActionTopic::Started,
                )
            }
        },
        State::Succeeded { summary, .. } => {
            let detail = detail.with("summary", summary.as_str());
            entry(
                Action::ActionSucceeded,
                Outcome::Succeeded,
                detail,
                ActionTopic::Succeeded,
            )
        }
        State::Failed { failure, .. } => {
            let (step, reason) = match failure {
                Failure::NotBegun { reason } => ("none", reason.clone()),
                Failure::Step { step, reason } => (step.as_str(), reason.clone()),
                Failure::Stopped { by, before } => (before.as_str(), format!("stopped by {by}")),
            };
            let detail = detail.with("step", step).with("reason", reason);
            entry(Action::ActionFailed, Outcome::Failed, detail, ActionTopic::Failed)
        }
        State::OutcomeUnknown { step, known, .. } => {
            let detail = detail.with("step", step.as_str()).with("known", known.as_str());
            entry(
                Action::ActionOutcomeUnknown,
                Outcome::Failed,
                detail,
                ActionTopic::OutcomeUnknown,
            )
        }
    }
}

/// What people are told.
pub(super) fn notice(row: &ActionRow, case: &Case, topic: ActionTopic) -> ActionNotice {
    let kind = case.plan.params.kind();
    ActionNotice {
        topic,
        id: row.id,
        number: row.number,
        kind,
        what: row.object.clone(),
        risk: kind.spec().risk,
        requester: case.requester.name.clone(),
        reason: row.reason.clone(),
        state: case.state.as_str().to_owned(),
        outcome: match &case.state {
            State::Requested | State::Approved { .. } => None,
            State::Rejected { .. }
            | State::Expired { .. }
            | State::Cancelled { .. }
            | State::Executing { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::OutcomeUnknown { .. } => Some(views::explanation(case, &case.quorum(&|_| None))),
        },
        break_glass: case.break_glass.is_some(),
        approvals: case.rule.approvals,
        expires_at: case.expires_at,
    }
}

/// Whom it concerns, besides whoever did it: those who are to agree, or to review, while it waits for them; those who could
/// look, when nobody knows what happened; and otherwise the one who asked and those who voted.
pub(super) fn audience(case: &Case, topic: ActionTopic, by: Option<Uuid>) -> Audience {
    let involved = || {
        let voters = case.votes.iter().map(|vote| vote.voter.account);
        std::iter::once(case.requester.account).chain(voters).collect()
    };
    let (roles, accounts) = match topic {
        ActionTopic::Requested if case.rule.approvals > 0 => (case.rule.approve.clone(), Vec::new()),
        // Nobody has to agree, and who asked knows.
        ActionTopic::Requested => (Vec::new(), Vec::new()),
        ActionTopic::OutcomeUnknown => (case.rule.request.clone(), involved()),
        ActionTopic::Vote
        | ActionTopic::Approved
        | ActionTopic::Rejected
        | ActionTopic::Expired
        | ActionTopic::Cancelled
        | ActionTopic::Started
        | ActionTopic::StopAsked
        | ActionTopic::Succeeded
        | ActionTopic::Failed
        | ActionTopic::Reviewed => (Vec::new(), involved()),
    };
    Audience {
        roles,
        accounts,
        except: by,
    }
}
