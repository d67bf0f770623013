//! The Quarterdeck operations console.
//!
//! `config` is read, `startup` wires everything, `http` answers requests by calling `services`, which decide with
//! the domain, and load and store through `db` and `clients`; `workers` run beside it.

pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod db;
pub mod doctor;
pub mod entropy;
pub mod http;
pub mod services;
pub mod startup;
pub mod telemetry;
pub mod workers;
