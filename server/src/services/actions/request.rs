//! Asking for an action.

use quarterdeck_domain::{
    access::Credential,
    action::{BreakGlass, Case, Confirmation, Digest, Freeze, Params, Rule},
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{ActionError, Actions, Asking, record};
use crate::{
    db::{self, actions::NewAction},
    services::identity::actor,
};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The id that the form was made with: sent twice, it asks once.
    pub id: Uuid,
    /// What.
    pub params: Params,
    /// The digest of the plan that they were shown.
    pub digest: Digest,
    /// Why; may be empty where nobody has to agree.
    pub reason: String,
    /// What they typed to confirm.
    pub typed: String,
    /// Their password again, where the policy wants it.
    pub password: Option<SecretString>,
    /// Whether to go without the approvals.
    pub break_glass: bool,
}

impl Actions {
    /// Asks for an action: plans it, holds it against the policy, and writes the request down. Where nobody has to
    /// agree it is approved at once; it is never started here.
    ///
    /// # Errors
    /// [`ActionError`]; then nothing was asked for.
    pub async fn request(&self, by: Asking<'_>, ask: Ask) -> Result<Case, ActionError> {
        if let Some(row) = db::actions::by_id(&self.pool, ask.id).await? {
            return if row.requester().account == by.subject.user_id {
                Ok(row.case(db::actions::votes_of(&self.pool, row.id).await?)?)
            } else {
                Err(ActionError::Unknown)
            };
        }
        let planned = self.plan(&ask.params).await?;
        let rule = &planned.effective.rule;
        self.may(by, rule)?;
        if planned.effective.freeze != Freeze::Free {
            return Err(ActionError::Frozen(planned.effective.freeze));
        }
        if planned.digest != ask.digest {
            return Err(ActionError::Stale);
        }
        if let Some(gate) = planned.plan.refusals().next() {
            return Err(quarterdeck_domain::action::Refused::Gate {
                reason: gate.reason.clone(),
            }
            .into());
        }
        let reason = ask.reason.trim().replace('\0', "");
        let break_glass = self.check_form(by, rule, &ask, &reason).await?;
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let requester = self.person(&mut transaction, by.subject).await?;
        let case = Case::request(
            requester,
            (planned.plan, planned.digest),
            (rule.clone(), planned.effective.version),
            break_glass,
            now,
        );
        let new = NewAction {
            id: ask.id,
            case: &case,
            reason: &reason,
            requested_at: now,
        };
        match db::actions::insert(&mut transaction, &new).await {
            Ok(()) => {}
            // The same form, sent twice at the same moment.
            Err(error) if error.is_duplicate() => return Ok(case),
            Err(error) => return Err(error.into()),
        }
        let row = db::actions::by_id(&mut *transaction, ask.id)
            .await?
            .ok_or(ActionError::Unknown)?;
        let entry = record::requested(ask.id, &case, &reason);
        self.write_down(&mut transaction, Some(by), entry, (&row, &case), now)
            .await?;
        transaction.commit().await?;
        Ok(case)
    }

    /// Whether the rule lets this role ask, start and cancel.
    pub(super) fn may(&self, by: Asking<'_>, rule: &Rule) -> Result<(), ActionError> {
        if rule.request.contains(&by.subject.role) {
            return Ok(());
        }
        Err(ActionError::Role {
            role: by.subject.role,
            may: rule.request.clone(),
        })
    }

    /// Whether the form has all that the rule asks for.
    async fn check_form(
        &self,
        by: Asking<'_>,
        rule: &Rule,
        ask: &Ask,
        reason: &str,
    ) -> Result<Option<BreakGlass>, ActionError> {
        if reason.chars().count() > 2000 {
            return Err(ActionError::Incomplete(
                "The reason is too long: at most 2,000 characters.",
            ));
        }
        if ask.break_glass && !rule.break_glass {
            return Err(ActionError::Incomplete(
                "The policy does not let this be done without approvals.",
            ));
        }
        if reason.is_empty() && (rule.approvals > 0 || ask.break_glass) {
            return Err(ActionError::Incomplete(
                "Say why: whoever has to agree, and whoever reads the record later, needs to know.",
            ));
        }
        match rule.confirmation {
            Confirmation::None => {}
            Confirmation::Typed if ask.typed.trim() == ask.params.object() => {}
            Confirmation::Typed => {
                return Err(ActionError::Incomplete(
                    "The confirmation is not what it should be: type exactly what the form shows.",
                ));
            }
        }
        if rule.reauthenticate || ask.break_glass {
            self.confirm_password(by, ask.password.as_ref()).await?;
        }
        Ok(ask.break_glass.then(|| BreakGlass {
            reason: reason.to_owned(),
        }))
    }

    /// Asks for the password again.
    pub(super) async fn confirm_password(
        &self,
        by: Asking<'_>,
        password: Option<&SecretString>,
    ) -> Result<(), ActionError> {
        match by.subject.credential {
            Credential::Session(_) => {}
            // A password in a script is not a person who thinks again.
            Credential::ApiToken(_) => {
                return Err(ActionError::Incomplete(
                    "This needs a person who gives their password again; no API token can do it.",
                ));
            }
        }
        let Some(password) = password.filter(|password| !password.expose_secret().is_empty()) else {
            return Err(ActionError::Incomplete(
                "Your password is needed once more for this.",
            ));
        };
        self.identity
            .confirm_password(by.subject, password.expose_secret().to_owned(), by.origin)
            .await?;
        Ok(())
    }

    /// Writes down that somebody tried what they may not.
    pub(super) async fn record_refusal(&self, by: Asking<'_>, id: Uuid, what: &str, why: &str) {
        use quarterdeck_domain::audit::{Action, Detail, Outcome};
        let event = self.events.event(
            by.origin,
            actor(by.subject),
            Action::AccessRefused,
            record::object(id),
            Outcome::Refused,
            Detail::none().with("asked_for", what).with("reason", why),
        );
        if let Err(error) = self.identity.recorder().record(&event).await {
            tracing::error!(%error, "a refusal could not be recorded");
        }
    }
}
