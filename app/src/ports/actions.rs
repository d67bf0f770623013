//! What pages ask about guarded actions.

use quarterdeck_domain::{
    access::Subject,
    action::{ActionKind, Params},
};

use super::BoxFuture;
use crate::{
    error::ConsoleError,
    view::{
        action::{ActionCountsView, ActionView, ActionsView, PolicyInForceView, ProposalView},
        emergency::EmergencyView,
    },
};

/// Which actions to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that are not over, or still have to be reviewed.
    #[default]
    Open,
    /// Those that wait for the one who asks.
    Mine,
    /// All.
    All,
}

impl Which {
    /// The name in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mine => "mine",
            Self::All => "all",
        }
    }

    /// Reads the name back; anything else means the open ones.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "mine" => Self::Mine,
            "all" => Self::All,
            _ => Self::Open,
        }
    }
}

/// A request that was refused: its form is shown again with what was typed. In the context of the page that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequest {
    /// What was asked for.
    pub params: Params,
    /// The reason that was given.
    pub reason: String,
    /// What was typed to confirm.
    pub typed: String,
    /// Why it was refused, in words.
    pub problem: String,
}

/// Guarded actions, as pages see them. Changing one is a form or a call.
pub trait GuardedActions: Send + Sync {
    /// What would happen now, and what the policy says to it.
    fn proposal<'a>(
        &'a self,
        subject: &'a Subject,
        params: Params,
    ) -> BoxFuture<'a, Result<ProposalView, ConsoleError>>;

    /// A page of the list, from the action before the number `before` on.
    fn actions<'a>(
        &'a self,
        subject: &'a Subject,
        which: Which,
        before: Option<i64>,
    ) -> BoxFuture<'a, Result<ActionsView, ConsoleError>>;

    /// One action.
    fn action<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<ActionView, ConsoleError>>;

    /// The policy in force, kind by kind.
    fn policy<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<PolicyInForceView, ConsoleError>>;

    /// The kinds that the subject may ask for and that can be done here, from memory: which buttons they are shown.
    fn may_request(&self, subject: &Subject) -> Vec<ActionKind>;

    /// What could be done without the console's own database, with the plan for `params` where they are given, and what
    /// this console's journal tells.
    fn emergency<'a>(
        &'a self,
        subject: &'a Subject,
        params: Option<Params>,
    ) -> BoxFuture<'a, Result<EmergencyView, ConsoleError>>;

    /// How many actions are open, from memory: what every page shows in its top bar.
    fn action_counts(&self, subject: &Subject) -> Result<ActionCountsView, ConsoleError>;
}
