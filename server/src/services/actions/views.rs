//! Actions as pages and the API show them.

use std::collections::HashMap;

use quarterdeck_app::ports::Which;
use quarterdeck_app::view::action::{
    ActionLineView, ActionRecordView, ActionStateView, ActionView, ActionsView, FactView, GateView,
    LeftOutView, MayView, MessageView, PlanView, PolicyView, ProposalView, StepStateView, StepView,
    TargetView, VoteView,
};
use quarterdeck_domain::{
    access::Subject,
    action::{
        Case, Confirmation, Digest, Effective, Failure, Freeze, Params, Person, Plan, Quorum, Refused, State,
        Undo, Void,
    },
};
use uuid::Uuid;

use super::{ActionError, Actions, frozen, plan::Planned};
use crate::{
    clock::unix_ms,
    db::{
        self,
        actions::{ActionRow, OutboxRow, StepRow},
    },
};

/// The most actions on one page.
const PAGE: i64 = 50;

impl Actions {
    /// What would happen now, as it is shown before one asks.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn proposal(&self, subject: &Subject, params: &Params) -> Result<ProposalView, ActionError> {
        let planned = self.plan(params).await?;
        let obstacle = obstacle(subject, &planned);
        Ok(ProposalView {
            id: self.new_id().to_string(),
            policy: policy_view(&planned.effective, params),
            plan: plan_view(&planned.plan, planned.digest),
            obstacle,
        })
    }

    /// A page of the list.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn list(
        &self,
        subject: &Subject,
        which: Which,
        before: Option<i64>,
    ) -> Result<ActionsView, ActionError> {
        let mut connection = self.pool.acquire().await?;
        let me = self.person(&mut connection, subject).await?;
        let rows = match which {
            Which::All => db::actions::all(&mut *connection, before, PAGE + 1).await?,
            Which::Open | Which::Mine => db::actions::open(&mut *connection, before, PAGE + 1).await?,
        };
        let mut lines = Vec::new();
        for (row, case) in cases(&mut connection, rows).await? {
            lines.push(line(&row, &case, subject, &me)?);
        }
        if which == Which::Mine {
            lines.retain(|line| line.waiting_for_me.is_some());
        }
        let more = lines.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
        lines.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
        drop(connection);
        Ok(ActionsView {
            counts: self.counts(subject),
            next_before: lines.last().filter(|_| more).map(|line| line.number),
            actions: lines,
        })
    }

    /// One action with all that is known of it.
    ///
    /// # Errors
    /// [`ActionError::Unknown`], or that the database is away.
    pub async fn view(&self, subject: &Subject, id: Uuid) -> Result<ActionView, ActionError> {
        let mut transaction = self.pool.begin().await?;
        let row = db::actions::by_id(&mut *transaction, id)
            .await?
            .ok_or(ActionError::Unknown)?;
        let me = self.person(&mut transaction, subject).await?;
        let case = row.case(db::actions::votes_of(&mut *transaction, id).await?)?;
        let accounts: Vec<_> = case.votes.iter().map(|vote| vote.voter.account).collect();
        let standings = db::actions::standings(&mut transaction, &accounts).await?;
        let steps = db::actions::steps_of(&mut *transaction, id).await?;
        let messages = db::actions::outbox_of(&mut *transaction, id).await?;
        let records = db::actions::records_of(&mut *transaction, id).await?;
        transaction.commit().await?;

        let now = self.clock.now();
        let effective = Effective {
            version: row.policy_version,
            rule: case.rule.clone(),
            freeze: Freeze::Free,
        };
        let quorum = case.quorum(&|account| standings.get(&account).copied());
        let kind = row.kind()?;
        let spec = kind.spec();
        let unknown = matches!(case.state, State::OutcomeUnknown { .. });
        Ok(ActionView {
            line: line(&row, &case, subject, &me)?,
            revision: row.revision,
            plan: plan_view(&case.plan, case.digest),
            policy: policy_view(&effective, &case.plan.params),
            reason: row.reason.clone(),
            explanation: explanation(&case, &quorum),
            votes: votes(&case, &quorum),
            missing: u32::try_from(quorum.missing()).unwrap_or(u32::MAX),
            steps: step_views(&case, &steps),
            how_to_check: unknown.then(|| spec.how_to_check.to_owned()),
            review: case
                .review
                .as_ref()
                .map(|review| (review.by.name.clone(), review.comment.clone())),
            may: may(&case, subject, &me, now),
            undo_path: match (&case.state, spec.undo) {
                (State::Succeeded { .. } | State::OutcomeUnknown { .. }, Undo::By(kind)) => {
                    Some(format!("/actions/new?kind={kind}"))
                }
                _ => None,
            },
            records: records
                .into_iter()
                .map(|record| ActionRecordView {
                    seq: record.seq,
                    at_ms: unix_ms(record.recorded_at),
                    actor: record.actor_name.unwrap_or(record.actor_kind),
                    action: record.action,
                    outcome: record.outcome,
                })
                .collect(),
            messages: messages.iter().map(message).collect(),
            now_ms: unix_ms(now),
        })
    }
}

/// Actions with their votes, as the state machine sees them.
pub(super) async fn cases(
    connection: &mut sqlx::PgConnection,
    rows: Vec<ActionRow>,
) -> Result<Vec<(ActionRow, Case)>, ActionError> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut votes = db::actions::votes_of_each(connection, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let case = row.case(votes.remove(&row.id).unwrap_or_default())?;
            Ok((row, case))
        })
        .collect()
}

/// Why this person may not ask for what is planned.
fn obstacle(subject: &Subject, planned: &Planned) -> Option<String> {
    let rule = &planned.effective.rule;
    if !rule.request.contains(&subject.role) {
        let error = ActionError::Role {
            role: subject.role,
            may: rule.request.clone(),
        };
        return Some(error.to_string());
    }
    if planned.effective.freeze != Freeze::Free {
        return Some(frozen(&planned.effective.freeze));
    }
    planned.plan.refusals().next().map(|gate| {
        let reason = gate.reason.clone();
        Refused::Gate { reason }.to_string()
    })
}

pub(super) fn plan_view(plan: &Plan, digest: Digest) -> PlanView {
    let kind = plan.params.kind();
    let spec = kind.spec();
    PlanView {
        kind,
        title: spec.title.to_owned(),
        summary: spec.summary.to_owned(),
        risk: spec.risk,
        object: plan.params.object(),
        params: serde_json::to_value(&plan.params).unwrap_or_default(),
        planned_at_ms: unix_ms(plan.planned_at),
        targets: plan
            .targets
            .iter()
            .map(|target| TargetView {
                id: target.id.clone(),
                title: target.title.clone(),
                facts: target
                    .facts
                    .iter()
                    .map(|fact| FactView {
                        name: fact.name.clone(),
                        value: fact.value.clone(),
                        binding: fact.binding,
                    })
                    .collect(),
            })
            .collect(),
        left_out: plan
            .left_out
            .iter()
            .map(|left| LeftOutView {
                title: left.title.clone(),
                reason: left.reason.clone(),
            })
            .collect(),
        gates: plan
            .gates
            .iter()
            .map(|gate| GateView {
                name: gate.name.clone(),
                title: gate.title.clone(),
                verdict: gate.verdict,
                reason: gate.reason.clone(),
                figure: gate.figure.clone(),
            })
            .collect(),
        effect: plan.effect.clone(),
        expected_s: plan.expected_s,
        undo: plan.undo.clone(),
        digest: digest.to_string(),
        runbook: spec.runbook.map(str::to_owned),
    }
}

fn policy_view(effective: &Effective, params: &Params) -> PolicyView {
    let rule = &effective.rule;
    PolicyView {
        version: effective.version,
        request: rule.request.clone(),
        approvals: rule.approvals,
        approve: rule.approve.clone(),
        reauthenticate: rule.reauthenticate,
        typed: match rule.confirmation {
            Confirmation::None => None,
            Confirmation::Typed => Some(params.object()),
        },
        break_glass: rule.break_glass,
        expires_s: rule.expires_s,
        frozen: frozen_now(&effective.freeze),
    }
}

/// What stands against an action now, in words.
pub(super) fn frozen_now(freeze: &Freeze) -> Option<String> {
    match freeze {
        Freeze::Free => None,
        Freeze::Denied { .. } | Freeze::OutsideOfWindows { .. } => Some(frozen(freeze)),
    }
}

fn state_view(state: &State) -> ActionStateView {
    match state {
        State::Requested => ActionStateView::Requested,
        State::Approved { .. } => ActionStateView::Approved,
        State::Rejected { .. } => ActionStateView::Rejected,
        State::Expired { .. } => ActionStateView::Expired,
        State::Cancelled { .. } => ActionStateView::Cancelled,
        State::Executing { .. } => ActionStateView::Executing,
        State::Succeeded { .. } => ActionStateView::Succeeded,
        State::Failed { .. } => ActionStateView::Failed,
        State::OutcomeUnknown { .. } => ActionStateView::OutcomeUnknown,
    }
}

fn line(row: &ActionRow, case: &Case, subject: &Subject, me: &Person) -> Result<ActionLineView, ActionError> {
    let kind = row.kind()?;
    Ok(ActionLineView {
        id: row.id.to_string(),
        number: row.number,
        kind,
        title: kind.spec().title.to_owned(),
        object: row.object.clone(),
        state: state_view(&case.state),
        requester: row.requester().name,
        requested_at_ms: unix_ms(row.requested_at),
        changed_at_ms: unix_ms(row.changed_at),
        expires_at_ms: unix_ms(row.expires_at),
        break_glass: case.break_glass.is_some(),
        awaits_review: case.awaits_review(),
        waiting_for_me: waiting_for(case, subject, me),
    })
}

/// What this person could do for an action now.
pub(super) fn waiting_for(case: &Case, subject: &Subject, me: &Person) -> Option<String> {
    let text = match &case.state {
        State::Requested if vote_obstacle(case, subject, me).is_none() => "approve or reject",
        State::Approved { .. } if case.rule.request.contains(&subject.role) => "start",
        _ if case.awaits_review() && case.state.is_terminal() && may_review(case, subject, me) => "review",
        _ => return None,
    };
    Some(text.to_owned())
}

fn vote_obstacle(case: &Case, subject: &Subject, me: &Person) -> Option<String> {
    if !case.rule.approve.contains(&subject.role) {
        return Some(Void::Role.to_string());
    }
    if case.requester.is(me) {
        return Some(Void::OwnRequest.to_string());
    }
    if case.votes.iter().any(|vote| vote.voter.is(me)) {
        return Some("you have voted already".to_owned());
    }
    None
}

fn may_review(case: &Case, subject: &Subject, me: &Person) -> bool {
    case.rule.approve.contains(&subject.role) && !case.requester.is(me)
}

fn may(case: &Case, subject: &Subject, me: &Person, now: time::OffsetDateTime) -> MayView {
    let live = now < case.expires_at;
    let asks = case.rule.request.contains(&subject.role);
    let (open, executing) = match &case.state {
        State::Requested | State::Approved { .. } => (live, false),
        State::Executing { stop, .. } => (false, stop.is_none()),
        State::Rejected { .. }
        | State::Expired { .. }
        | State::Cancelled { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::OutcomeUnknown { .. } => (false, false),
    };
    let obstacle = vote_obstacle(case, subject, me);
    let votable = open && case.rule.approvals > 0 && case.break_glass.is_none();
    MayView {
        vote: votable && obstacle.is_none(),
        vote_obstacle: obstacle.filter(|_| votable && case.rule.approve.contains(&subject.role)),
        start: matches!(case.state, State::Approved { .. }) && live && asks,
        cancel: (open || executing) && (asks || case.requester.account == subject.user_id),
        review: case.awaits_review() && may_review(case, subject, me),
    }
}

/// What the state means, in a sentence or two. The quorum matters only while it is open.
pub(super) fn explanation(case: &Case, quorum: &Quorum) -> String {
    match &case.state {
        State::Requested => format!(
            "{} of {} approvals are still needed. Nothing happens until then.",
            quorum.missing(),
            quorum.needed
        ),
        State::Approved { .. } => {
            let lost = if quorum.is_reached() || case.break_glass.is_some() {
                ""
            } else {
                " An approval has lost its validity since; another one is needed before it can be started."
            };
            format!(
                "Nothing has happened yet: approving is not executing. It is planned once more when it is started.{lost}"
            )
        }
        State::Rejected { by, reason, .. } => format!("{} said no: {reason} Nothing was done.", by.name),
        State::Expired { .. } => "Nobody started it in time. Nothing was done.".to_owned(),
        State::Cancelled { by, .. } => format!("{} took it back. Nothing was done.", by.name),
        State::Executing { by, stop, .. } => match stop {
            Some(who) => format!(
                "{} started it; {} wants it stopped before the next step.",
                by.name, who.name
            ),
            None => format!("{} started it.", by.name),
        },
        State::Succeeded { summary, .. } => summary.clone(),
        State::Failed { failure, .. } => match failure {
            Failure::NotBegun { reason } => format!("Nothing was done. {reason}"),
            Failure::Step { step, reason } => format!("It failed at the step “{step}”: {reason}"),
            Failure::Stopped { by, before } => {
                format!("{by} stopped it before the step “{before}”; what came before was done.")
            }
        },
        State::OutcomeUnknown { step, known, .. } => {
            format!(
                "Nobody knows whether the step “{step}” took effect. {known} It is never repeated by itself."
            )
        }
    }
}

fn votes(case: &Case, quorum: &Quorum) -> Vec<VoteView> {
    let void: HashMap<_, _> = quorum
        .void
        .iter()
        .map(|(person, void)| (person.account, void))
        .collect();
    case.votes
        .iter()
        .map(|vote| VoteView {
            name: vote.voter.name.clone(),
            approve: vote.agreement == quarterdeck_domain::action::Agreement::Approve,
            comment: vote.comment.clone(),
            at_ms: unix_ms(vote.at),
            void: void.get(&vote.voter.account).map(ToString::to_string),
        })
        .collect()
}

fn step_views(case: &Case, begun: &[StepRow]) -> Vec<StepView> {
    let over = case.state.is_terminal();
    case.plan
        .params
        .kind()
        .spec()
        .steps
        .iter()
        .map(|step| {
            let row = begun.iter().find(|row| row.name == step.name);
            StepView {
                name: step.name.to_owned(),
                title: step.title.to_owned(),
                state: match row.map(|row| row.state.as_str()) {
                    Some("running") => StepStateView::Running,
                    Some("done") => StepStateView::Done,
                    Some("failed") => StepStateView::Failed,
                    Some(_) => StepStateView::Unknown,
                    None if over => StepStateView::Skipped,
                    None => StepStateView::Waiting,
                },
                detail: row.map(|row| row.detail.clone()).unwrap_or_default(),
                started_at_ms: row.map(|row| unix_ms(row.started_at)),
                ended_at_ms: row.and_then(|row| row.ended_at).map(unix_ms),
            }
        })
        .collect()
}

fn message(row: &OutboxRow) -> MessageView {
    let error = row.last_error.as_deref().unwrap_or("no error yet");
    MessageView {
        topic: row.topic.clone(),
        channel: row.channel.clone(),
        recipient: row.recipient_name.clone(),
        state: match (row.delivered_at, row.dead_at) {
            (Some(_), _) => "delivered".to_owned(),
            (None, Some(_)) => format!("given up after {} attempts: {error}", row.attempts),
            (None, None) if row.attempts == 0 => "waiting".to_owned(),
            (None, None) => format!("tried {} times, goes on: {error}", row.attempts),
        },
    }
}
