//! Processes that a process of ours has started: the backends of a PostgreSQL server.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What `/proc` says about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// One letter: `T` is stopped, `Z` has ended and was not reaped.
    pub(crate) state: char,
    /// Pid of its parent.
    pub(crate) parent: u32,
    /// When it started, in clock ticks after boot.
    pub(crate) start_ticks: u64,
}

/// What `/proc` says about a process; `None` if there is none.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may hold spaces and parentheses itself.
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        start_ticks: fields.nth(17)?.parse().ok()?,
    })
}

/// A process that another one has started. A signal reaches it, and never one that has its number later.
#[derive(Debug)]
pub(crate) struct Descendant {
    pid: u32,
    start_ticks: u64,
    handle: OwnedFd,
}

impl Descendant {
    /// The process `pid`, if `parent` has started it.
    pub(crate) fn of(parent: u32, pid: u32) -> Option<Self> {
        // Open first, compare then: if it is the right one now, the handle can't become another's later.
        let handle = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
        let stat = stat(pid).filter(|stat| stat.parent == parent)?;
        Some(Self {
            pid,
            start_ticks: stat.start_ticks,
            handle,
        })
    }

    /// All that `parent` has started and that run now.
    pub(crate) fn all_of(parent: u32) -> Vec<Self> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| Self::of(parent, entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// Signals it; nothing happens if it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        // That it has ended is what one wants of it anyway, or what one sees next.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Whether it runs, or is stopped.
    pub(crate) fn is_there(&self) -> bool {
        stat(self.pid)
            .is_some_and(|stat| stat.start_ticks == self.start_ticks && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Waits until it has ended, up to `patience`.
    pub(crate) fn wait(&self, patience: Duration) {
        let begin = Instant::now();
        while self.is_there() && begin.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
