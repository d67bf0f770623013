//! Guarded actions: what can be asked for, what exactly would happen, who has to agree, and how far it is.
//!
//! An action is *planned* first: the [`Plan`] names what would be touched and judges every [`Gate`]. People agree to
//! the plan's [`Digest`], under one version of the [`Policy`]. Before it runs it is planned again, and
//! [`Plan::changes`] says what has moved since. The [`Case`] is the one state machine; nothing else changes an action's
//! state.

mod canonical;
mod case;
#[cfg(test)]
mod case_properties;
mod freeze;
mod kind;
mod outcome;
mod params;
mod plan;
mod policy;
mod vote;

pub use canonical::Digest;
pub use case::{Agreed, BreakGlass, Case, Event, Refused, Review, State};
pub use freeze::{Freeze, FreezeEffect, FreezeError, FreezeWindow};
pub use kind::{ActionKind, ActionSpec, Risk, StepSpec, TAKE_BACK, Undo, UnknownKind};
pub use outcome::{Failure, Outcome};
pub use params::{Params, ParamsError};
pub use plan::{Change, Fact, Gate, LeftOut, Plan, Target, Verdict};
pub use policy::{Confirmation, Effective, Policy, PolicyError, Rule};
pub use vote::{Agreement, Person, Quorum, Standing, Void, Vote};
