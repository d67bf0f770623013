//! `/actions`, `/actions/new`, `/actions/policy`, `/actions/<id>`: guarded actions from plan to record.

mod accept_loss;
mod action;
mod board;
mod list;
mod new;
mod plan;
mod policy;
mod step;

pub use action::ActionPage;
pub(super) use board::{mark, state_name};
pub use list::ActionsPage;
pub use new::NewActionPage;
pub(super) use plan::Plan;
pub use policy::PolicyPage;
pub(super) use step::Step;
