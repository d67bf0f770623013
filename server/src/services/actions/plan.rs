//! Planning: what would happen now, and what the policy says to it.

use std::sync::Arc;

use quarterdeck_domain::action::{Digest, Effective, Params, Plan};

use super::{ActionError, Actions, kinds::Handler};

/// A plan with what holds for it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: Digest,
    /// What the policy says.
    pub effective: Effective,
}

impl Actions {
    pub(super) fn handler(&self, params: &Params) -> Result<&Arc<dyn Handler>, ActionError> {
        let kind = params.kind();
        self.handlers.of(kind).map_err(|reason| ActionError::NotSetUp {
            kind,
            reason: reason.to_owned(),
        })
    }

    /// Says what would happen now. Nothing is changed or recorded.
    ///
    /// # Errors
    /// [`ActionError::NotSetUp`], [`ActionError::Plan`], or that the policy can't be read.
    pub async fn plan(&self, params: &Params) -> Result<Planned, ActionError> {
        let now = self.clock.now();
        let in_force = self.policy().await?;
        let plan = self.handler(params)?.plan(params, None, now).await?;
        let effective = in_force
            .policy
            .effective(in_force.version, params.kind(), plan.targets.len(), now);
        Ok(Planned {
            digest: plan.digest()?,
            plan,
            effective,
        })
    }
}
