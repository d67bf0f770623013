//! Agreeing, saying no, taking back, and looking at it afterwards.

use quarterdeck_domain::action::{Agreement, Case, Digest, Event, Refused, Review, Vote};
use secrecy::SecretString;
use uuid::Uuid;

use super::{ActionError, Actions, Asking, transition::Transition};
use crate::db;

/// What somebody says to a request.
#[derive(Debug, Clone)]
pub struct Say {
    /// Yes or no.
    pub agreement: Agreement,
    /// The digest of the plan that they were shown.
    pub digest: Digest,
    /// Why; needed for a no.
    pub comment: String,
    /// Their password again, where the policy wants it.
    pub password: Option<SecretString>,
}

fn comment(text: &str) -> Result<String, ActionError> {
    let text = text.trim().replace('\0', "");
    if text.chars().count() > 2000 {
        return Err(ActionError::Incomplete(
            "The comment is too long: at most 2,000 characters.",
        ));
    }
    Ok(text)
}

fn known(
    by: Option<quarterdeck_domain::action::Person>,
) -> Result<quarterdeck_domain::action::Person, ActionError> {
    by.ok_or(ActionError::Unknown)
}

impl Actions {
    /// Votes on a request.
    ///
    /// # Errors
    /// [`ActionError`]; then the vote was not cast. That somebody tried to vote who may not is recorded.
    pub async fn vote(&self, by: Asking<'_>, id: Uuid, say: Say) -> Result<Case, ActionError> {
        let comment = comment(&say.comment)?;
        if say.agreement == Agreement::Reject && comment.is_empty() {
            return Err(ActionError::Incomplete(
                "Say why not: the one who asked needs to know.",
            ));
        }
        let row = db::actions::by_id(&self.pool, id)
            .await?
            .ok_or(ActionError::Unknown)?;
        if row.rule.0.reauthenticate && say.agreement == Agreement::Approve {
            self.confirm_password(by, say.password.as_ref()).await?;
        }
        let policy_version = self.policy().await?.version;
        let done = self
            .transition(
                Transition {
                    id,
                    by: Some(by),
                    started_plan: None,
                },
                |_, voter, at| {
                    Ok(Event::Vote(Vote {
                        voter: known(voter)?,
                        agreement: say.agreement,
                        comment,
                        digest: say.digest,
                        policy_version,
                        at,
                    }))
                },
            )
            .await;
        if let Err(ActionError::Refused(Refused::Vote(void))) = &done {
            self.record_refusal(by, id, say.agreement.as_str(), &void.to_string())
                .await;
        }
        done
    }

    /// Takes a request back, or, while it is being done, asks for it to be stopped before the next step.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn cancel(&self, by: Asking<'_>, id: Uuid) -> Result<Case, ActionError> {
        self.transition(
            Transition {
                id,
                by: Some(by),
                started_plan: None,
            },
            |row, person, _| {
                if row.requester().account != by.subject.user_id {
                    self.may(by, &row.rule.0)?;
                }
                let by = known(person)?;
                Ok(match &row.state_data.0 {
                    quarterdeck_domain::action::State::Executing { .. } => Event::Stop { by },
                    _ => Event::Cancel { by },
                })
            },
        )
        .await
    }

    /// Closes an action that was done without approvals.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn review(&self, by: Asking<'_>, id: Uuid, text: &str) -> Result<Case, ActionError> {
        let comment = comment(text)?;
        if comment.is_empty() {
            return Err(ActionError::Incomplete(
                "Say what you found: the review is part of the record.",
            ));
        }
        self.transition(
            Transition {
                id,
                by: Some(by),
                started_plan: None,
            },
            |row, person, at| {
                if !row.rule.0.approve.contains(&by.subject.role) {
                    return Err(ActionError::Role {
                        role: by.subject.role,
                        may: row.rule.0.approve.clone(),
                    });
                }
                Ok(Event::Review(Review {
                    by: known(person)?,
                    comment,
                    at,
                }))
            },
        )
        .await
    }
}
