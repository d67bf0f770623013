//! The tables of backups, by noun.

pub mod copies;
pub mod drills;
pub mod points;
pub mod runs;
pub mod verifications;
