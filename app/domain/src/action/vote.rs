//! Consent: one vote a person, for one plan under one policy.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Digest, Rule};
use crate::access::Role;

/// A person, by account and by who that is: two accounts can be the same person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account.
    pub account: Uuid,
    /// Who it is; the same text in every account of one person.
    pub identity: String,
    /// The user name.
    pub name: String,
}

impl Person {
    /// Whether both are the same person, be it with two accounts.
    pub fn is(&self, other: &Self) -> bool {
        self.account == other.account || self.identity == other.identity
    }
}

/// What somebody says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Yes.
    Approve,
    /// No, which ends it.
    Reject,
}

impl Agreement {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// One person's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub voter: Person,
    /// Yes or no.
    pub agreement: Agreement,
    /// What they say to it; may be empty for a yes.
    pub comment: String,
    /// The plan that they saw.
    pub digest: Digest,
    /// The policy that they saw it under.
    pub policy_version: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What an account is at the moment of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Whether it can be used.
    pub enabled: bool,
}

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Void {
    /// It was for another plan.
    #[error("it was given for another plan")]
    OtherPlan,
    /// It was given under another policy.
    #[error("it was given under another version of the policy")]
    OtherPolicy,
    /// The voter asked for the action.
    #[error("nobody agrees to what they asked for themselves")]
    OwnRequest,
    /// The same person has voted already.
    #[error("the same person has voted already")]
    Twice,
    /// The account is gone or disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The account's role may not agree to it any more.
    #[error("the account's role may not agree to this")]
    Role,
}

/// The count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// How many are needed.
    pub needed: u8,
    /// Who agreed, as far as it counts.
    pub counted: Vec<Person>,
    /// Whose vote does not count, and why.
    pub void: Vec<(Person, Void)>,
}

impl Quorum {
    /// Counts the votes of agreement as things stand now.
    pub fn count(
        rule: &Rule,
        (digest, policy_version): (Digest, i64),
        requester: &Person,
        votes: &[Vote],
        standing: &dyn Fn(Uuid) -> Option<Standing>,
    ) -> Self {
        let mut quorum = Self {
            needed: rule.approvals,
            counted: Vec::new(),
            void: Vec::new(),
        };
        for vote in votes.iter().filter(|vote| vote.agreement == Agreement::Approve) {
            let voter = &vote.voter;
            let void = match standing(voter.account) {
                Some(Standing { enabled: true, role }) if rule.approve.contains(&role) => {
                    if vote.digest != digest {
                        Some(Void::OtherPlan)
                    } else if vote.policy_version != policy_version {
                        Some(Void::OtherPolicy)
                    } else if voter.is(requester) {
                        Some(Void::OwnRequest)
                    } else if quorum.counted.iter().any(|counted| counted.is(voter)) {
                        Some(Void::Twice)
                    } else {
                        None
                    }
                }
                Some(Standing { enabled: true, .. }) => Some(Void::Role),
                Some(Standing { enabled: false, .. }) | None => Some(Void::Disabled),
            };
            match void {
                None => quorum.counted.push(voter.clone()),
                Some(void) => quorum.void.push((voter.clone(), void)),
            }
        }
        quorum
    }

    /// Whether enough people agree.
    pub fn is_reached(&self) -> bool {
        self.counted.len() >= usize::from(self.needed)
    }

    /// How many are still missing.
    pub fn missing(&self) -> usize {
        usize::from(self.needed).saturating_sub(self.counted.len())
    }
}
