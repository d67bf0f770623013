//! Backups: what is kept, when it is made, how long it stays, and to which instants it lets one return.

pub mod method;
pub mod segment;

pub use method::Method;
pub use segment::{MalformedSegmentName, SegmentName, SegmentSize, Timeline};
