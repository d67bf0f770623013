//! The tables of backups, by noun.

pub mod copies;
pub mod drills;
pub mod points;
