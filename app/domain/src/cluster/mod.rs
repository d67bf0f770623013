//! The watched PostgreSQL cluster: what each node says of itself, and what that makes of them together.

mod lsn;
mod node;
mod split;
mod synchronous;
mod topology;

pub use lsn::{Lsn, MalformedLsn};
pub use node::{Archiver, Follower, NodeSight, NodeState, Part, PrimaryState, Receiver, Slot, StandbyState};
pub use split::{Split, SplitWatch};
pub use synchronous::Synchronous;
pub use topology::{Topology, TopologyVerdict};
