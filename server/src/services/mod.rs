//! Use cases: begin, load, decide (in the domain), write, audit, commit.

pub mod actions;
pub mod audit;
pub mod backups;
pub mod cluster;
pub mod console;
pub mod database;
pub mod failover;
mod fresh;
pub mod health;
pub mod identity;
pub mod journal;
pub mod maintenance;
pub mod notices;
pub mod runbooks;
