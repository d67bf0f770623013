//! The command line, one file a noun.

pub mod audit;
pub mod backup;
pub mod migrate;
pub mod user;
