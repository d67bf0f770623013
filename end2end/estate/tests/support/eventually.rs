//! Waiting for what takes its time.

use std::time::{Duration, Instant};

/// Polls until `check` finds nothing to object to; its last objection is the failure.
pub fn eventually(patience: Duration, mut check: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    loop {
        match check() {
            Ok(()) => return,
            Err(objection) if begin.elapsed() > patience => panic!("not within {patience:?}: {objection}"),
            Err(_) => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}

/// An objection unless the condition holds.
pub fn ensure(holds: bool, objection: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(objection()) }
}
