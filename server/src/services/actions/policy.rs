//! The policy in force, and its versions.

use std::{sync::Arc, time::Duration};

use quarterdeck_app::view::action::{FreezeWindowView, KindPolicyView, PolicyInForceView, RuleView};
use quarterdeck_domain::{
    access::{Permission, Subject, decide},
    action::{ActionKind, Confirmation, FreezeEffect, FreezeWindow, Policy, Rule},
    audit::{Action, Actor, Detail, Object, Outcome},
};

use time::OffsetDateTime;

use super::{ActionError, Actions, views};
use crate::{
    clock::unix_ms,
    db,
    services::audit::{self, Origin},
};

const DB_LIMIT: Duration = Duration::from_secs(3);

/// A policy with the number under which it is kept.
#[derive(Debug)]
pub(super) struct InForce {
    pub version: i64,
    pub since: OffsetDateTime,
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
                return Ok((newest.version, newest.since));
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
            Ok::<_, ActionError>((version, now))
        };
        let (version, since) = tokio::time::timeout(DB_LIMIT, keep)
            .await
            .map_err(|_| db::DbError::from(sqlx::Error::PoolTimedOut))??;
        let in_force = Arc::new(InForce {
            version,
            since,
            policy,
        });
        *slot = Some(Arc::clone(&in_force));
        Ok(in_force)
    }

    /// Whether `subject` may ask for an action of a kind that can be done here, as far as is known without looking at the world.
    pub fn may_request(&self, subject: &Subject, kind: ActionKind) -> bool {
        decide(subject, Permission::RequestAction).is_allowed()
            && self.handlers.of(kind).is_ok()
            && self.configured.may_request(&[kind]).contains(&subject.role)
    }

    /// The policy in force, as it is shown.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn policy_view(&self, subject: &Subject) -> Result<PolicyInForceView, ActionError> {
        let in_force = self.policy().await?;
        let InForce {
            version,
            since,
            policy,
        } = &*in_force;
        let now = self.clock.now();
        let kind_view = |kind: ActionKind| {
            let spec = kind.spec();
            KindPolicyView {
                kind,
                title: spec.title.to_owned(),
                summary: spec.summary.to_owned(),
                risk: spec.risk,
                // Written out, they are in order.
                rules: policy
                    .rules
                    .iter()
                    .filter(|rule| rule.action == kind)
                    .map(rule_view)
                    .collect(),
                frozen: views::frozen_now(&policy.effective(*version, kind, 0, now).freeze),
                not_set_up: self.handlers.of(kind).err().map(str::to_owned),
                may_request: self.may_request(subject, kind),
            }
        };
        Ok(PolicyInForceView {
            version: *version,
            since_ms: unix_ms(*since),
            kinds: ActionKind::ALL.iter().copied().map(kind_view).collect(),
            windows: policy
                .freeze
                .iter()
                .map(|window| window_view(window, now))
                .collect(),
        })
    }
}

fn rule_view(rule: &Rule) -> RuleView {
    RuleView {
        min_targets: rule.min_targets,
        request: rule.request.clone(),
        approvals: rule.approvals,
        approve: rule.approve.clone(),
        reauthenticate: rule.reauthenticate,
        typed: match rule.confirmation {
            Confirmation::None => false,
            Confirmation::Typed => true,
        },
        break_glass: rule.break_glass,
        expires_s: rule.expires_s,
    }
}

fn window_view(window: &FreezeWindow, now: OffsetDateTime) -> FreezeWindowView {
    FreezeWindowView {
        name: window.name.clone(),
        denies: match window.effect {
            FreezeEffect::Allow => false,
            FreezeEffect::Deny => true,
        },
        kinds: window.actions.clone(),
        cron: window.cron.clone(),
        duration_s: window.duration_s,
        open_until_ms: window.open_until(now).map(unix_ms),
        opens_ms: window.opens_next(now).map(unix_ms),
    }
}
