//! The policy in force, and its versions.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::{
    action::Policy,
    audit::{Action, Actor, Detail, Object, Outcome},
};

use super::{ActionError, Actions};
use crate::{
    db,
    services::audit::{self, Origin},
};

const DB_LIMIT: Duration = Duration::from_secs(3);

/// A policy with the number under which it is kept.
#[derive(Debug)]
pub(super) struct InForce {
    pub version: i64,
    pub policy: Policy,
}

impl Actions {
    /// The policy of this console's configuration, under its version. The first call writes it down as a new version
    /// if it differs from the newest one.
    pub(super) async fn policy(&self) -> Result<Arc<InForce>, ActionError> {
        if let Some(in_force) = &*self.in_force.read().await {
            return Ok(Arc::clone(in_force));
        }
        let mut slot = self.in_force.write().await;
        if let Some(in_force) = &*slot {
            return Ok(Arc::clone(in_force));
        }
        let policy = self.configured.written_out();
        let digest = policy.digest()?;
        let now = self.clock.now();
        let keep = async {
            let mut transaction = self.pool.begin().await?;
            db::actions::lock_policy(&mut transaction).await?;
            let newest = db::actions::current_policy(&mut *transaction).await?;
            if let Some(newest) = newest
                && newest.digest()? == digest
            {
                return Ok(newest.version);
            }
            let version = db::actions::insert_policy(&mut transaction, &policy, digest, now).await?;
            let event = self.events.event(
                &Origin::default(),
                Actor::System,
                Action::PolicyChanged,
                Object::new("policy", version),
                Outcome::Succeeded,
                Detail::none().with("digest", digest.to_string()),
            );
            audit::append(&mut transaction, &event).await?;
            transaction.commit().await?;
            Ok::<_, ActionError>(version)
        };
        let version = tokio::time::timeout(DB_LIMIT, keep)
            .await
            .map_err(|_| db::DbError::from(sqlx::Error::PoolTimedOut))??;
        let in_force = Arc::new(InForce { version, policy });
        *slot = Some(Arc::clone(&in_force));
        Ok(in_force)
    }
}
