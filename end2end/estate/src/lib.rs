//! A private SkillQuest estate on loopback, made of real parts.
//!
//! Two things live here:
//!
//! * [`parts`]: single real servers for tests (PostgreSQL, Redis, Prometheus, Alertmanager), each on a free
//!   loopback port in a directory of its own, gone when dropped.
//! * [`Estate`]: the whole of it, with traffic, monitoring and [`Fault`]s to switch on. `estate up` runs one from
//!   the command line.
//!
//! Everything is plain blocking code: call it straight from `#[test]`, and from `#[tokio::test]` either
//! straight (it blocks the test's thread for as long as the server takes to start, which a test can afford) or
//! through `tokio::task::spawn_blocking`. Dropping never needs a runtime.
//!
//! Nothing outlives the process that started it. Servers are told by the kernel when their parent is gone
//! (`PR_SET_PDEATHSIG`), and a janitor process removes the directories, so a test binary that is killed, or one
//! that keeps a server in a `static`, leaves nothing behind either.

pub mod control;
mod descendant;
mod error;
mod estate;
mod fault;
mod leftovers;
mod node;
pub mod parts;
pub mod port;
pub mod process;
pub mod scratch;

pub use error::PartError;
pub use estate::{Estate, EstateConfig, Ports};
pub use fault::Fault;
pub use node::{NodeCommand, NodeName, NodeState};
