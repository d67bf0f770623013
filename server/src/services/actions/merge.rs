//! Taking over what a console did while the database was away: the lines of its journal become audit events, in order and
//! once, and its actions become actions that are open for review.

use std::{collections::HashMap, time::Duration};

use quarterdeck_domain::{
    action::{Case, Person},
    audit::{Action, Actor, Detail, Object, Outcome},
    journal::{Entry, Row, StepEnd, Story, genesis, stories},
};
use sqlx::PgConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{ActionError, Actions, record};
use crate::{
    db::{
        self, DbError,
        actions::{ActionRow, NewAction, StepRow},
    },
    services::{
        audit::{self, Origin},
        notices::{self, ActionTopic, Notice},
    },
};

/// How long it may take.
const DB_LIMIT: Duration = Duration::from_secs(30);

/// An action as it was taken over.
struct TakenOver {
    row: ActionRow,
    asked: Case,
    begun: Case,
    now: Case,
}

/// One audit event to be.
struct Said {
    origin: Origin,
    actor: Actor,
    action: Action,
    object: Object,
    outcome: Outcome,
    detail: Detail,
}

impl Actions {
    /// Takes over the lines of a journal that are not in the audit log yet; answers the number of the last that is. An
    /// action that is still being done, and what follows on its intent, waits. All of it is one transaction: a console
    /// that dies in the middle leaves nothing.
    ///
    /// # Errors
    /// [`ActionError`]: nothing was taken over.
    pub async fn merge(&self, journal: Uuid, rows: &[Row]) -> Result<u64, ActionError> {
        let stories = stories(rows);
        let whole = stories
            .iter()
            .find(|story| story.ended.is_none())
            .map_or(rows, |story| {
                let before = usize::try_from(story.seq).unwrap_or(usize::MAX) - 1;
                rows.get(..before).unwrap_or(rows)
            });
        tokio::time::timeout(DB_LIMIT, self.merge_unlimited(journal, whole, &stories))
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?
    }

    async fn merge_unlimited(
        &self,
        journal: Uuid,
        rows: &[Row],
        stories: &[Story],
    ) -> Result<u64, ActionError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let place = db::journals::lock(&mut transaction, journal, genesis(), now).await?;
        let done = usize::try_from(place.seq).unwrap_or(usize::MAX);
        let known = match done {
            0 => Some(genesis()),
            _ => rows.get(done - 1).map(|row| row.head),
        };
        if known != Some(place) {
            return Err(DbError::Unreadable(format!(
                "line {} of the journal {journal} was taken over, and the file does not have it",
                place.seq
            ))
            .into());
        }
        let new = rows.get(done..).unwrap_or_default();
        let Some(last) = new.last() else {
            return Ok(place.seq);
        };
        let mut taken = HashMap::new();
        for row in new {
            self.take_over(&mut transaction, (journal, row), stories, &mut taken, now)
                .await?;
        }
        db::journals::advance(&mut transaction, journal, last.head, now).await?;
        transaction.commit().await?;
        self.rung.notify_one();
        Ok(last.head.seq)
    }

    /// Writes the audit event of one line, and with an intent the action.
    async fn take_over(
        &self,
        connection: &mut PgConnection,
        (journal, row): (Uuid, &Row),
        stories: &[Story],
        taken: &mut HashMap<Uuid, TakenOver>,
        now: OffsetDateTime,
    ) -> Result<(), ActionError> {
        let unreadable = || DbError::Unreadable(format!("line {} of the journal {journal}", row.head.seq));
        let system = |action, object, outcome, detail| Said {
            origin: Origin::default(),
            actor: Actor::System,
            action,
            object,
            outcome,
            detail,
        };
        let said = match &row.note.entry {
            Entry::Opened { kept_aside, .. } => {
                let detail = Detail::none();
                let detail = match kept_aside {
                    Some(kept) => detail.with("kept_aside", kept.as_str()),
                    None => detail,
                };
                let object = Object::new("journal", journal);
                system(Action::JournalOpened, object, Outcome::Succeeded, detail)
            }
            Entry::Intent(intent) => {
                let story = stories.iter().find(|story| story.intent.action == intent.action);
                let action = self
                    .insert_taken_over(connection, story.ok_or_else(unreadable)?)
                    .await?;
                let entry =
                    record::entry(&action.row, &action.asked, &action.begun).ok_or_else(unreadable)?;
                // Whoever agrees to such an action is to review it.
                self.tell(connection, &action, ActionTopic::Requested, now)
                    .await?;
                taken.insert(intent.action, action);
                let by = &intent.by;
                Said {
                    origin: Origin {
                        address: by.address,
                        user_agent: by.user_agent.clone(),
                        trace_id: by.trace_id.clone(),
                        api_token: None,
                    },
                    actor: Actor::User {
                        id: by.account,
                        name: by.name.clone(),
                    },
                    action: entry.action,
                    object: entry.object,
                    outcome: entry.outcome,
                    detail: entry
                        .detail
                        .with("reason", intent.reason.as_str())
                        .with("role", by.role.as_str())
                        .with("session", by.session.to_string())
                        .with("password_checked", false),
                }
            }
            Entry::StepBegun { action, name, .. } => {
                let TakenOver { row, now, .. } = taken.get(action).ok_or_else(unreadable)?;
                let detail = record::common(now.plan.params.kind().as_str(), &row.object, now);
                let detail = detail.with("step", name.as_str());
                system(
                    Action::ActionStepBegun,
                    record::object(*action),
                    Outcome::Succeeded,
                    detail,
                )
            }
            Entry::StepEnded {
                action,
                name,
                end,
                detail: seen,
                ..
            } => {
                let TakenOver { row, now, .. } = taken.get(action).ok_or_else(unreadable)?;
                let detail = record::common(now.plan.params.kind().as_str(), &row.object, now)
                    .with("step", name.as_str())
                    .with("end", end.as_str())
                    .with("seen", seen.as_str());
                let outcome = match end {
                    StepEnd::Done => Outcome::Succeeded,
                    StepEnd::Failed | StepEnd::Unknown => Outcome::Failed,
                };
                system(Action::ActionStepEnded, record::object(*action), outcome, detail)
            }
            Entry::Ended { action, .. } => {
                let action = taken.get(action).ok_or_else(unreadable)?;
                let entry = record::entry(&action.row, &action.begun, &action.now).ok_or_else(unreadable)?;
                self.tell(connection, action, entry.topic, now).await?;
                system(entry.action, entry.object, entry.outcome, entry.detail)
            }
        };
        let at = row.note.at.format(&Rfc3339).map_err(|_| unreadable())?;
        let detail = said
            .detail
            .with("from_journal", true)
            .with("journal", journal.to_string())
            .with("journal_line", row.head.to_string())
            .with("happened_at", at);
        let event = self.events.event(
            &said.origin,
            said.actor,
            said.action,
            said.object,
            said.outcome,
            detail,
        );
        Ok(audit::append(connection, &event).await?)
    }

    async fn tell(
        &self,
        connection: &mut PgConnection,
        TakenOver { row, now, .. }: &TakenOver,
        topic: ActionTopic,
        at: OffsetDateTime,
    ) -> Result<(), ActionError> {
        let notice = Notice::Action(record::notice(row, now, topic));
        let audience = record::audience(now, topic, Some(now.requester.account));
        Ok(notices::enqueue(connection, self.channels, &notice, &audience, at).await?)
    }

    /// Inserts an action as it ended, with its steps.
    async fn insert_taken_over(
        &self,
        connection: &mut PgConnection,
        story: &Story,
    ) -> Result<TakenOver, ActionError> {
        let in_force = self.policy().await?;
        let intent = &story.intent;
        let user = db::users::by_id(&mut *connection, intent.by.account)
            .await?
            .ok_or_else(|| DbError::Unreadable(format!("the account of {}", intent.by.name)))?;
        let requester = Person {
            account: user.id,
            identity: user.identity,
            name: user.username,
        };
        let kind = intent.plan.params.kind();
        let effective =
            in_force
                .policy
                .effective(in_force.version, kind, intent.plan.targets.len(), story.at);
        let rule = (effective.rule, effective.version);
        let [asked, begun, now] = story.cases(requester, rule, self.new_id())?;
        let new = NewAction {
            id: intent.action,
            case: &now,
            reason: &intent.reason,
            requested_at: story.at,
        };
        db::actions::insert(connection, &new).await?;
        let ended_at = story.ended.as_ref().map_or(story.at, |(at, _)| *at);
        for step in &story.steps {
            let (ended_at, state, detail, data) = match &step.end {
                Some((at, end, detail, data)) => (*at, *end, detail.clone(), data.clone()),
                None => (ended_at, StepEnd::Unknown, String::new(), serde_json::Value::Null),
            };
            let step = StepRow {
                position: step.position.into(),
                name: step.name.clone(),
                state: state.as_str().to_owned(),
                started_at: step.begun_at,
                ended_at: Some(ended_at),
                detail,
                data,
            };
            db::actions::insert_step(&mut *connection, intent.action, &step).await?;
        }
        let row = db::actions::by_id(connection, intent.action)
            .await?
            .ok_or(ActionError::Unknown)?;
        Ok(TakenOver {
            row,
            asked,
            begun,
            now,
        })
    }
}
