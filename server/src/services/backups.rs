//! Backups: what is kept, and to which instants it lets one return.

pub mod archive;
pub mod drills;
pub mod inventory;
mod rto;
mod views;
pub mod watch;
