//! Guarded actions, as pages, forms and the API ask for them: decide, then do, then word what went wrong.

use quarterdeck_app::{
    error::ConsoleError,
    ports::{BoxFuture, GuardedActions, Which},
    view::{
        action::{ActionCountsView, ActionView, ActionsView, PolicyInForceView, ProposalView},
        emergency::EmergencyView,
    },
};
use quarterdeck_domain::{
    access::{Permission, Subject},
    action::{ActionKind, Agreement, Case, Params, Refused},
};
use uuid::Uuid;

use super::AskedConsole;
use crate::services::{
    actions::{ActionError, Ask, Asking, EmergencyAsk, EmergencyError, PlanError, Say},
    identity::IdentityError,
};

impl AskedConsole {
    fn asking<'a>(&'a self, subject: &'a Subject) -> Asking<'a> {
        Asking {
            subject,
            origin: &self.origin,
        }
    }

    /// Asks for an action, and starts it where nobody has to agree.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn request_action(&self, subject: &Subject, ask: Ask) -> Result<Case, ConsoleError> {
        self.allow(subject, Permission::RequestAction)?;
        let actions = &self.service.actions;
        let id = ask.id;
        let by = self.asking(subject);
        let case = actions.request(by, ask).await.map_err(word)?;
        let ready = matches!(case.state, quarterdeck_domain::action::State::Approved { .. });
        if !ready {
            return Ok(case);
        }
        match actions.start(by, id).await {
            Ok(started) => Ok(started),
            // The same form sent twice: the first has started it.
            Err(ActionError::Refused(Refused::State { .. })) => Ok(case),
            Err(error) => Err(word(error)),
        }
    }

    /// Votes on an action.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn vote_on_action(&self, subject: &Subject, id: &str, say: Say) -> Result<Case, ConsoleError> {
        self.allow(subject, Permission::ApproveAction)?;
        let agreement = say.agreement;
        let done = self
            .service
            .actions
            .vote(self.asking(subject), uuid(id)?, say)
            .await;
        done.map_err(|error| match error {
            ActionError::Refused(Refused::State { state }) if agreement == Agreement::Approve => {
                ConsoleError::Conflict(format!(
                    "Your approval was not needed any more: the action is {} by now.",
                    state.replace('_', " ")
                ))
            }
            error => word(error),
        })
    }

    /// Starts an approved action.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn start_action(&self, subject: &Subject, id: &str) -> Result<Case, ConsoleError> {
        self.allow(subject, Permission::RequestAction)?;
        let done = self.service.actions.start(self.asking(subject), uuid(id)?).await;
        done.map_err(word)
    }

    /// Takes an action back, or asks for it to be stopped.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn cancel_action(&self, subject: &Subject, id: &str) -> Result<Case, ConsoleError> {
        self.allow(subject, Permission::RequestAction)?;
        let done = self.service.actions.cancel(self.asking(subject), uuid(id)?).await;
        done.map_err(word)
    }

    /// Begins an action while the console's own database is away.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn begin_emergency(&self, subject: &Subject, ask: EmergencyAsk) -> Result<(), ConsoleError> {
        self.allow(subject, Permission::BreakGlassWithoutDatabase)?;
        let begun = self.service.emergency.begin(self.asking(subject), ask).await;
        begun.map_err(|error| match error {
            EmergencyError::Action(error) => word(error),
            EmergencyError::DatabaseAnswers | EmergencyError::UnderWay => {
                ConsoleError::Conflict(format!("Nothing was done: {error}."))
            }
            EmergencyError::NoJournal(_) | EmergencyError::Journal(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "nothing was done without the database"
                );
                ConsoleError::Unavailable(format!(
                    "Nothing was done: without the database and without a journal there would be no record. {error}."
                ))
            }
        })
    }

    /// Closes an action that was done without approvals.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn review_action(
        &self,
        subject: &Subject,
        id: &str,
        comment: &str,
    ) -> Result<Case, ConsoleError> {
        self.allow(subject, Permission::ApproveAction)?;
        let done = self
            .service
            .actions
            .review(self.asking(subject), uuid(id)?, comment)
            .await;
        done.map_err(word)
    }
}

fn uuid(id: &str) -> Result<Uuid, ConsoleError> {
    id.parse().map_err(|_| no_such_action())
}

fn no_such_action() -> ConsoleError {
    ConsoleError::NotFound(
        "There is no such action. The list of actions shows those that there are.".to_owned(),
    )
}

/// What a person is told.
fn word(error: ActionError) -> ConsoleError {
    match &error {
        ActionError::Unknown => no_such_action(),
        ActionError::Refused(refused) => match refused {
            Refused::Moved { changes } => {
                let lines: Vec<_> = changes.iter().map(ToString::to_string).collect();
                ConsoleError::Conflict(format!(
                    "It was not started: what would happen now is not what was agreed to. Changed since: {}. Ask anew with \
                     the present plan.",
                    lines.join("; ")
                ))
            }
            Refused::NotAgreed { missing, void, .. } => {
                let lines: Vec<_> = void
                    .iter()
                    .map(|(person, why)| format!("{}: {why}", person.name))
                    .collect();
                let lost = if lines.is_empty() {
                    String::new()
                } else {
                    format!(" Votes that do not count any more: {}.", lines.join("; "))
                };
                ConsoleError::Conflict(format!(
                    "It was not started: {missing} approvals are missing.{lost}"
                ))
            }
            Refused::Vote(void) => ConsoleError::Refused(format!("Your vote was not counted: {void}.")),
            Refused::State { state } => ConsoleError::Conflict(format!(
                "Nothing was changed: the action is {} by now.",
                state.replace('_', " ")
            )),
            Refused::Expired
            | Refused::Gate { .. }
            | Refused::NothingLeft
            | Refused::Claimed
            | Refused::TooLate
            | Refused::NothingToReview => ConsoleError::Conflict(format!("Nothing was done: {refused}.")),
        },
        ActionError::Role { .. } => ConsoleError::Refused(format!("Nothing was done: {error}.")),
        ActionError::Frozen(_) | ActionError::UnderWay { .. } => {
            ConsoleError::Conflict(format!("Nothing was done: {error}."))
        }
        ActionError::Stale => ConsoleError::Conflict(format!("Nothing was asked for: {error}.")),
        ActionError::Incomplete(text) => ConsoleError::BadRequest((*text).to_owned()),
        ActionError::NotSetUp { .. } => ConsoleError::NotFound(format!("{error}.")),
        ActionError::Plan(PlanError::Parameters(text)) => ConsoleError::BadRequest(text.clone()),
        ActionError::Plan(PlanError::Unreachable(text)) => ConsoleError::Unavailable(text.clone()),
        ActionError::Identity(IdentityError::WrongCredentials) => {
            ConsoleError::BadRequest("Nothing was done: that is not your password.".to_owned())
        }
        ActionError::Identity(IdentityError::TooManyAttempts { .. }) => {
            ConsoleError::BadRequest(format!("Nothing was done: {error}."))
        }
        ActionError::Identity(_) | ActionError::Audit(_) | ActionError::Db(_) | ActionError::Canonical(_) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an action could not be looked at or changed"
            );
            ConsoleError::Unavailable(
                "The console's own database does not answer, or refused. Without a record nothing is done: nothing was \
                 changed. Try again in a moment."
                    .to_owned(),
            )
        }
    }
}

impl GuardedActions for AskedConsole {
    fn proposal<'a>(
        &'a self,
        subject: &'a Subject,
        params: Params,
    ) -> BoxFuture<'a, Result<ProposalView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewActions)?;
            self.service
                .actions
                .proposal(subject, &params)
                .await
                .map_err(word)
        })
    }

    fn actions<'a>(
        &'a self,
        subject: &'a Subject,
        which: Which,
        before: Option<i64>,
    ) -> BoxFuture<'a, Result<ActionsView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewActions)?;
            self.service
                .actions
                .list(subject, which, before)
                .await
                .map_err(word)
        })
    }

    fn action<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<ActionView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewActions)?;
            self.service.actions.view(subject, uuid(id)?).await.map_err(word)
        })
    }

    fn policy<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<PolicyInForceView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewActions)?;
            self.service.actions.policy_view(subject).await.map_err(word)
        })
    }

    fn may_request(&self, subject: &Subject) -> Vec<ActionKind> {
        let kinds = ActionKind::ALL.iter().copied();
        kinds
            .filter(|kind| self.service.actions.may_request(subject, *kind))
            .collect()
    }

    fn emergency<'a>(
        &'a self,
        subject: &'a Subject,
        params: Option<Params>,
    ) -> BoxFuture<'a, Result<EmergencyView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::BreakGlassWithoutDatabase)?;
            Ok(self.service.emergency.view(params).await)
        })
    }

    fn action_counts(&self, subject: &Subject) -> Result<ActionCountsView, ConsoleError> {
        self.allow(subject, Permission::ViewActions)?;
        Ok(self.service.actions.counts(subject))
    }
}
