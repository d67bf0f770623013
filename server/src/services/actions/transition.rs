//! The one way by which an action's state changes: lock, ask the state machine, write the new state with its record and
//! its messages, all in one transaction.

use std::time::Duration;

use quarterdeck_domain::{
    access::Subject,
    action::{ActionKind, Case, Event, Person, Plan},
    audit::Actor,
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ActionError, Actions, Asking, record};
use crate::{
    db::{self, DbError, actions::ActionRow},
    services::{
        audit::{self, Origin},
        identity::actor,
        notices::{self, Notice},
    },
};

/// How long one transition may take before the database counts as away.
pub(super) const DB_LIMIT: Duration = Duration::from_secs(5);

/// How long a worker is taken to be alive after its last sign of life.
pub const LEASE: time::Duration = time::Duration::seconds(15);

/// What changes, and by whom.
pub(super) struct Transition<'a> {
    /// Which action.
    pub id: Uuid,
    /// Who; none is the console itself.
    pub by: Option<Asking<'a>>,
    /// The plan to keep, when it is started.
    pub started_plan: Option<&'a Plan>,
}

impl Actions {
    /// Who a signed-in person is, as votes count.
    pub(super) async fn person(
        &self,
        connection: &mut PgConnection,
        subject: &Subject,
    ) -> Result<Person, ActionError> {
        let user = db::users::by_id(connection, subject.user_id)
            .await?
            .ok_or(ActionError::Unknown)?;
        Ok(Person {
            account: user.id,
            identity: user.identity,
            name: user.username,
        })
    }

    /// Changes an action's state. `event` makes the event out of the action and the person who does it; it may refuse.
    pub(super) async fn transition(
        &self,
        what: Transition<'_>,
        event: impl FnOnce(&ActionRow, Option<Person>, OffsetDateTime) -> Result<Event, ActionError> + Send,
    ) -> Result<Case, ActionError> {
        let changed = tokio::time::timeout(DB_LIMIT, self.transition_unlimited(what, event))
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?;
        match changed {
            Err(ActionError::UnderWay { .. }) => {
                let kinds = &ActionKind::CHANGING_PRIMARY;
                let number = db::within(DB_LIMIT, db::actions::executing(&self.pool, kinds)).await?;
                Err(ActionError::UnderWay { number })
            }
            changed => changed,
        }
    }

    async fn transition_unlimited(
        &self,
        what: Transition<'_>,
        event: impl FnOnce(&ActionRow, Option<Person>, OffsetDateTime) -> Result<Event, ActionError> + Send,
    ) -> Result<Case, ActionError> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let row = db::actions::lock(&mut transaction, what.id)
            .await?
            .ok_or(ActionError::Unknown)?;
        let person = match what.by {
            Some(by) => Some(self.person(&mut transaction, by.subject).await?),
            None => None,
        };
        let before = row.case(db::actions::votes_of(&mut *transaction, row.id).await?)?;
        let mut accounts: Vec<_> = before.votes.iter().map(|vote| vote.voter.account).collect();
        accounts.extend(person.as_ref().map(|person| person.account));
        let standings = db::actions::standings(&mut transaction, &accounts).await?;
        let event = event(&row, person, now)?;
        let after = before.apply(event, now, &|account| standings.get(&account).copied())?;

        let lease = match &after.state {
            quarterdeck_domain::action::State::Executing { worker: Some(_), .. } => Some(now + LEASE),
            _ if after.state.is_terminal() => None,
            _ => row.lease_until,
        };
        let seen = (row.id, row.revision);
        match db::actions::update(&mut transaction, seen, &after, what.started_plan, lease, now).await {
            Ok(true) => {}
            // The row is locked, so this is a revision that was changed by hand.
            Ok(false) => {
                return Err(
                    DbError::Unreadable(format!("action {} changed while it was locked", row.id)).into(),
                );
            }
            Err(error) if error.is_duplicate() => return Err(ActionError::UnderWay { number: None }),
            Err(error) => return Err(error.into()),
        }
        if let Some(vote) = after.votes.get(before.votes.len()) {
            db::actions::insert_vote(&mut transaction, row.id, vote).await?;
        }
        if let quarterdeck_domain::action::State::OutcomeUnknown { known, .. } = &after.state
            && !before.state.is_terminal()
        {
            db::actions::leave_step_open(&mut *transaction, row.id, known, now).await?;
        }
        if let Some(entry) = record::entry(&row, &before, &after) {
            self.write_down(&mut transaction, what.by, entry, (&row, &after), now)
                .await?;
        }
        transaction.commit().await?;
        Ok(after)
    }

    /// Writes an entry into the audit log and its notice into the outbox, in the transaction of what they tell.
    pub(super) async fn write_down(
        &self,
        connection: &mut PgConnection,
        by: Option<Asking<'_>>,
        entry: record::Entry,
        (row, case): (&ActionRow, &Case),
        now: OffsetDateTime,
    ) -> Result<(), ActionError> {
        let origin = by.map_or_else(Origin::default, |by| by.origin.clone());
        let actor = by.map_or(Actor::System, |by| actor(by.subject));
        let event = self.events.event(
            &origin,
            actor,
            entry.action,
            entry.object,
            entry.outcome,
            entry.detail,
        );
        audit::append(connection, &event).await?;
        let notice = Notice::Action(record::notice(row, case, entry.topic));
        let audience = record::audience(case, entry.topic, by.map(|by| by.subject.user_id));
        notices::enqueue(connection, self.channels, &notice, &audience, now).await?;
        Ok(())
    }
}
