//! Sessions of the watched database: who is connected, what they do, who waits for whom, and which of them may be
//! ended.

mod backend;
mod backend_id;
mod blocking;
mod connections;
pub mod instant;
mod protection;
#[cfg(feature = "redaction")]
mod redaction;
mod selection;

pub use backend::{Backend, BackendKind, BackendState, QueryText, Snapshot, WaitEvent};
pub use backend_id::{BackendId, MalformedBackendId};
pub use blocking::{Standing, blocking_forest};
pub use connections::{Capacity, ConnectionCounts, Count, count_connections};
pub use protection::{CONSOLE_APPLICATION, Protection, ProtectionRules, Signaller, protection};
#[cfg(feature = "redaction")]
pub use redaction::redact;
pub use selection::{LeftOut, Selected, Selection, select_longer_than};
