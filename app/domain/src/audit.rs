//! The audit log's rules: what an event is, its one canonical text, and the chain of hashes that makes a
//! later change of any row visible.
//!
//! [`Event`] says who did what to what, with which outcome. [`Event::canonical`] is its only text form
//! (RFC 8785), and [`chain`] links these texts: a row's hash covers the hash before it, its own number and its
//! text. [`export`] is the file form of the chain,
//! [`search`] what somebody looks for in it, and [`examination`] a look at one row and its neighbours. Nothing here does IO; the database computes the same hash
//! in SQL when a transaction commits, and a test holds the two together.

pub mod chain;
pub mod detail;
pub mod event;
pub mod examination;
pub mod export;
pub mod search;
mod sentence;

pub use chain::{BadRow, ChainRow, Columns, Fault, Head, Sha256Hash, Verifier, verify};
pub use detail::{Detail, DetailError, Scalar};
pub use event::{Action, Actor, ActorKind, CanonicalError, Event, Object, Outcome};
pub use search::{Filter, Position, Search};
pub use sentence::sentence;
