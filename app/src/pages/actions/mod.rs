//! `/actions`, `/actions/new`, `/actions/<id>`: guarded actions from plan to record.

mod action;
mod board;
mod list;
mod new;
mod plan;

pub use action::ActionPage;
pub use list::ActionsPage;
pub use new::NewActionPage;
