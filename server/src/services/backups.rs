//! Backups: what is kept, and to which instants it lets one return.

pub mod archive;
pub mod drills;
mod figures;
pub mod inventory;
mod making;
mod pages;
pub mod pins;
pub mod reach;
pub mod retention;
mod rto;
pub mod runs;
pub mod verification;
mod views;
pub mod watch;
