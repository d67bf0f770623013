//! Live health: from what a poll brought to what every viewer sees.
//!
//! [`engine`] judges readings and keeps bands, histories and alerts; [`push`] decides which changes are worth
//! sending; [`hub`] holds the present state of this replica and hands changes to its viewers.

pub mod charts;
pub mod engine;
pub mod hub;
pub mod push;
