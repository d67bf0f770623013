//! What travels between server and browser. Times are Unix milliseconds (`_ms`) so that both sides agree to the
//! bit; numbers are in the metric's unit.

pub mod account;
pub mod action;
pub mod api_token;
pub mod audit;
pub mod backup;
pub mod database;
pub mod emergency;
pub mod estate;
pub mod health;
pub mod maintenance;
pub mod runbook;
pub mod topology;
