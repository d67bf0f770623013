//! Maintenance mode: whether it is on, who switched it, what it should look like from outside, and when it is over.

mod mode;
mod probe;
mod stage;
mod state;

pub use mode::Mode;
pub use probe::{Expected, ProbeKind, Sight, UnknownExpectation, odd, seen_from_outside};
pub use stage::Stage;
pub use state::{Held, Known, Seen, Switching};
