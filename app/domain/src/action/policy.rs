//! Who may ask for what, and who has to agree.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{ActionKind, Digest, Freeze, FreezeError, FreezeWindow, freeze::freeze};
use crate::access::Role;

/// What a person has to type so that no button is pressed by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// Nothing.
    None,
    /// What is acted on, as the plan names it.
    Typed,
}

/// The rule for one kind of action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which kind.
    pub action: ActionKind,
    /// The rule holds for plans that touch at least so many targets; the one with the highest number that fits
    /// counts.
    #[serde(default)]
    pub min_targets: u32,
    /// Who may ask for it, start it and cancel it.
    pub request: Vec<Role>,
    /// How many people have to agree.
    pub approvals: u8,
    /// Whose consent counts.
    pub approve: Vec<Role>,
    /// Whether asking and agreeing need the password again.
    pub reauthenticate: bool,
    /// What has to be typed when asking.
    pub confirmation: Confirmation,
    /// Whether it may be done without the approvals, with a reason, the password, and a review afterwards.
    pub break_glass: bool,
    /// How long the request, and consent to it, are good for; seconds.
    pub expires_s: u32,
}

/// The rules of an installation. Kinds that no rule names follow [`ActionKind::default_rule`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Rules that replace the defaults.
    pub rules: Vec<Rule>,
    /// When actions may and may not be done.
    pub freeze: Vec<FreezeWindow>,
}

/// A policy that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Nobody could ask.
    #[error("the rule for {0} lets nobody ask for it: name at least one role in `request`")]
    NobodyMayAsk(ActionKind),
    /// Nobody could agree.
    #[error(
        "the rule for {0} needs approvals and lets nobody give them: name at least one role in `approve`"
    )]
    NobodyMayAgree(ActionKind),
    /// The auditor changes nothing.
    #[error("the rule for {0} names the role {1}, which changes nothing")]
    ChangesNothing(ActionKind, Role),
    /// Two rules for the same.
    #[error("there are two rules for {0} with min_targets = {1}")]
    Twice(ActionKind, u32),
    /// A time that makes no sense.
    #[error("the rule for {0} has to let a request live between 60 s and 7 days (expires_s)")]
    Expiry(ActionKind),
    /// More people than there are.
    #[error("the rule for {0} asks for {1} approvals; at most 5 can be asked for")]
    TooMany(ActionKind, u8),
    /// A freeze window is wrong.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
}

/// What holds for one plan at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// The version of the policy that it comes from.
    pub version: i64,
    /// The rule.
    pub rule: Rule,
    /// Whether a freeze window stands against it.
    pub freeze: Freeze,
}

impl Policy {
    /// Finds what can't be used.
    ///
    /// # Errors
    /// [`PolicyError`], the first that is found.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (index, rule) in self.rules.iter().enumerate() {
            let kind = rule.action;
            if rule.request.is_empty() {
                return Err(PolicyError::NobodyMayAsk(kind));
            }
            if rule.approvals > 0 && rule.approve.is_empty() {
                return Err(PolicyError::NobodyMayAgree(kind));
            }
            if rule.approvals > 5 {
                return Err(PolicyError::TooMany(kind, rule.approvals));
            }
            for role in rule.request.iter().chain(&rule.approve) {
                match role {
                    Role::Viewer | Role::Auditor => return Err(PolicyError::ChangesNothing(kind, *role)),
                    Role::Operator | Role::Approver | Role::Admin => {}
                }
            }
            if !(60..=7 * 24 * 3600).contains(&rule.expires_s) {
                return Err(PolicyError::Expiry(kind));
            }
            let same = |other: &Rule| other.action == kind && other.min_targets == rule.min_targets;
            if self.rules.iter().take(index).any(same) {
                return Err(PolicyError::Twice(kind, rule.min_targets));
            }
        }
        self.freeze.iter().try_for_each(FreezeWindow::check)?;
        Ok(())
    }

    /// The policy with every rule written out, the defaults too: what is kept as a version, so that a later change of
    /// the defaults is a change of the policy.
    #[must_use]
    pub fn written_out(&self) -> Self {
        let unnamed = ActionKind::ALL
            .iter()
            .copied()
            .filter(|kind| {
                !self
                    .rules
                    .iter()
                    .any(|rule| rule.action == *kind && rule.min_targets == 0)
            })
            .map(ActionKind::default_rule);
        let mut rules: Vec<_> = self.rules.iter().cloned().chain(unnamed).collect();
        rules.sort_by_key(|rule| (rule.action, rule.min_targets));
        Self {
            rules,
            freeze: self.freeze.clone(),
        }
    }

    /// The digest of the policy, written out.
    ///
    /// # Errors
    /// Never: all of its parts have a JSON form.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Digest::of(&self.written_out())
    }

    /// The roles that may ask for an action of one of these kinds, whatever it touches.
    pub fn may_request(&self, kinds: &[ActionKind]) -> Vec<Role> {
        let rules = self.written_out().rules;
        let named = |role: &Role| {
            rules
                .iter()
                .any(|rule| kinds.contains(&rule.action) && rule.request.contains(role))
        };
        Role::ALL.into_iter().filter(named).collect()
    }

    /// What holds for a plan of `kind` that touches `targets` things, at `now`. `version` is the one under which this
    /// policy is kept.
    pub fn effective(
        &self,
        version: i64,
        kind: ActionKind,
        targets: usize,
        now: OffsetDateTime,
    ) -> Effective {
        let targets = u32::try_from(targets).unwrap_or(u32::MAX);
        let rule = self
            .rules
            .iter()
            .filter(|rule| rule.action == kind && rule.min_targets <= targets)
            .max_by_key(|rule| rule.min_targets)
            .cloned()
            .unwrap_or_else(|| kind.default_rule());
        Effective {
            version,
            rule,
            freeze: freeze(&self.freeze, kind, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn the_defaults_are_those_that_were_agreed() {
        let policy = Policy::default();
        let rule = |kind| policy.effective(1, kind, 3, datetime!(2026-11-25 03:00 UTC)).rule;
        let approvals: Vec<_> = ActionKind::ALL
            .iter()
            .map(|kind| (*kind, rule(*kind).approvals))
            .collect();
        assert_eq!(
            approvals,
            [
                (ActionKind::CancelQuery, 0),
                (ActionKind::TerminateBackend, 0),
                (ActionKind::TerminateLongRunning, 1),
                (ActionKind::MaintenanceOn, 1),
                (ActionKind::MaintenanceOff, 0),
                (ActionKind::Switchover, 1),
                (ActionKind::Failover, 1),
                (ActionKind::DeleteOldBackups, 1),
            ]
        );
        assert_eq!(
            rule(ActionKind::TerminateBackend).confirmation,
            Confirmation::Typed
        );
        assert!(rule(ActionKind::Failover).reauthenticate);
        assert!(policy.check().is_ok() && policy.written_out().check().is_ok());
    }

    #[test]
    fn more_targets_can_need_more_consent() {
        let policy = Policy {
            rules: vec![Rule {
                min_targets: 10,
                approvals: 2,
                ..ActionKind::TerminateLongRunning.default_rule()
            }],
            freeze: vec![],
        };
        let approvals = |targets| {
            policy
                .effective(
                    1,
                    ActionKind::TerminateLongRunning,
                    targets,
                    datetime!(2026-11-25 03:00 UTC),
                )
                .rule
                .approvals
        };
        assert_eq!((approvals(9), approvals(10)), (1, 2));
    }

    #[test]
    fn who_may_ask_comes_from_the_rules_and_the_defaults() {
        let policy = Policy {
            rules: vec![Rule {
                request: vec![Role::Admin],
                ..ActionKind::MaintenanceOff.default_rule()
            }],
            freeze: vec![],
        };
        assert_eq!(policy.may_request(&[ActionKind::MaintenanceOff]), [Role::Admin]);
        assert_eq!(policy.may_request(&[ActionKind::MaintenanceOn]), [Role::Operator]);
        let both = policy.may_request(&[ActionKind::MaintenanceOn, ActionKind::MaintenanceOff]);
        assert_eq!(both, [Role::Operator, Role::Admin]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let with = |rule| Policy {
            rules: vec![rule],
            freeze: vec![],
        };
        let rule = ActionKind::MaintenanceOn.default_rule();
        let nobody = Rule {
            request: vec![],
            ..rule.clone()
        };
        assert_eq!(
            with(nobody).check(),
            Err(PolicyError::NobodyMayAsk(ActionKind::MaintenanceOn))
        );
        let auditor = Rule {
            approve: vec![Role::Auditor],
            ..rule.clone()
        };
        assert!(matches!(
            with(auditor).check(),
            Err(PolicyError::ChangesNothing(..))
        ));
        let never = Rule {
            expires_s: 0,
            ..rule.clone()
        };
        assert_eq!(
            with(never).check(),
            Err(PolicyError::Expiry(ActionKind::MaintenanceOn))
        );
        let twice = Policy {
            rules: vec![rule.clone(), rule],
            freeze: vec![],
        };
        assert_eq!(
            twice.check(),
            Err(PolicyError::Twice(ActionKind::MaintenanceOn, 0))
        );
    }

    proptest! {
        #[test]
        fn every_kind_has_a_rule_and_written_out_says_the_same(
            named in prop::collection::vec((0..ActionKind::ALL.len(), 0_u32..4, 0_u8..3), 0..6),
            targets in 0_usize..6,
        ) {
            let mut policy = Policy::default();
            for (index, min_targets, approvals) in named {
                let rule = Rule { min_targets, approvals, ..ActionKind::ALL[index].default_rule() };
                if !policy.rules.iter().any(|r| r.action == rule.action && r.min_targets == rule.min_targets) {
                    policy.rules.push(rule);
                }
            }
            prop_assert!(policy.check().is_ok());
            let now = datetime!(2026-11-25 03:00 UTC);
            for kind in ActionKind::ALL.iter().copied() {
                let effective = policy.effective(7, kind, targets, now);
                prop_assert_eq!(effective.rule.action, kind);
                prop_assert_eq!(&effective, &policy.written_out().effective(7, kind, targets, now));
            }
            prop_assert_eq!(policy.digest().unwrap(), policy.written_out().digest().unwrap());
        }
    }
}
