//! Backups: what is kept, and to which instants it lets one return.

pub mod archive;
pub mod inventory;
