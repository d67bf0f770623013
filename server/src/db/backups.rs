//! The tables of backups, by noun.

pub mod copies;
pub mod points;
