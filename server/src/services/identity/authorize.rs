//! Deciding who may do what, and recording refusals: one function for pages, calls, streams and forms.

use quarterdeck_domain::access::{Decision, Permission, Refusal, Subject, decide};
use quarterdeck_domain::audit::{Action, Detail, Object, Outcome};

use super::{Identity, actor};
use crate::services::audit::Origin;

impl Identity {
    /// Decides, and has a refusal recorded in the audit log. `asked_for` is what was asked for: a path, or an object's
    /// id.
    ///
    /// It doesn't wait for the record, so that pages, which are rendered in one go, can ask as well.
    ///
    /// # Errors
    /// The [`Refusal`]. That it couldn't be recorded is logged; it is refused all the same.
    pub fn authorize(
        &self,
        subject: &Subject,
        permission: Permission,
        asked_for: &str,
        origin: &Origin,
    ) -> Result<(), Refusal> {
        let refusal = match decide(subject, permission) {
            Decision::Allowed => return Ok(()),
            Decision::Refused(refusal) => refusal,
        };
        let reason = match refusal {
            Refusal::Role { .. } => "role",
            Refusal::Scope => "scope",
            Refusal::PersonOnly => "person_only",
            // The database that would take the record is what is away.
            Refusal::Outage => return Err(refusal),
        };
        let event = self.events.event(
            origin,
            actor(subject),
            Action::AccessRefused,
            Object::new("permission", permission.as_str()),
            Outcome::Refused,
            Detail::none().with("reason", reason).with("asked_for", asked_for),
        );
        if let Err(error) = self.recorder.record_soon(&event) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                permission = permission.as_str(),
                "a refusal could not be recorded"
            );
        }
        Err(refusal)
    }
}
