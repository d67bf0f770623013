//! The rules of operations, pure: no IO, no clock, no randomness, no framework.
//!
//! Each module is one noun of operations. Time comes in as a parameter, decisions go out as data.

pub mod access;
pub mod action;
pub mod alert;
pub mod audit;
pub mod backup;
pub mod chart;
pub mod cluster;
pub mod database;
pub mod failover;
pub mod health;
pub mod journal;
pub mod maintenance;
