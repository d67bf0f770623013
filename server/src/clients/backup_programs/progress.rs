//! How a piece of work on a backup gets on, for those who look.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The most of what programs said that is kept, bytes.
const LOG: usize = 60_000;

/// How far something is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the present phase that are done.
    pub done: AtomicU64,
    /// Bytes there will be; 0 where that isn't known.
    total: AtomicU64,
    words: Mutex<Words>,
}

#[derive(Debug, Default)]
struct Words {
    phase: String,
    command: String,
    exit_code: Option<i32>,
    log: String,
}

/// How far it is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it does, in words.
    pub phase: String,
    /// Bytes of that which are done.
    pub done_bytes: u64,
    /// Bytes there will be, where it is known.
    pub total_bytes: Option<u64>,
    /// The programs and their arguments, one a line.
    pub command: String,
    /// The exit code of the last program that has ended.
    pub exit_code: Option<i32>,
    /// What programs said, its end if it is long.
    pub log: String,
}

impl Progress {
    /// Begins another phase, of which nothing is done.
    pub fn phase(&self, name: &str) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
        let mut words = self.words();
        words.phase.clear();
        words.phase.push_str(name);
    }

    /// Says how much there will be.
    pub fn total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Notes what is run.
    pub(super) fn command(&self, line: &str) {
        let mut words = self.words();
        if !words.command.is_empty() {
            words.command.push('\n');
        }
        words.command.push_str(line);
    }

    /// Notes how a program ended.
    pub(super) fn exit_code(&self, code: Option<i32>) {
        self.words().exit_code = code;
    }

    /// Notes a line that was said.
    pub fn line(&self, line: &str) {
        let mut words = self.words();
        // The database takes no text with it.
        words.log.push_str(&line.replace('\0', ""));
        words.log.push('\n');
        if words.log.len() > LOG {
            let cut = words.log.len() - LOG;
            let cut = words.log[words.log.ceil_char_boundary(cut)..]
                .find('\n')
                .map_or(words.log.len(), |end| words.log.ceil_char_boundary(cut) + end + 1);
            words.log.drain(..cut);
        }
    }

    /// How far it is now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let total = self.total.load(Ordering::Relaxed);
        let words = self.words();
        Reading {
            phase: words.phase.clone(),
            done_bytes: self.done.load(Ordering::Relaxed),
            total_bytes: (total > 0).then_some(total),
            command: words.command.clone(),
            exit_code: words.exit_code,
            log: words.log.clone(),
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a line only counts up: `    40960/102400 kB (40%), 0/1 tablespace`.
pub(super) fn is_counter(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && line[digits..].starts_with('/') && line.contains(" kB (")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_kept_in_whole_lines() {
        let progress = Progress::default();
        for number in 0..20_000 {
            progress.line(&format!("\u{e4}rger {number}"));
        }
        let log = progress.read().log;
        assert!(log.len() <= LOG, "{}", log.len());
        assert!(log.starts_with("\u{e4}rger "), "{}", &log[..20]);
        assert!(log.ends_with("\u{e4}rger 19999\n"));
    }

    #[test]
    fn counters_are_told_from_words() {
        assert!(is_counter("    40960/102400 kB (40%), 0/1 tablespace"));
        assert!(!is_counter("pg_basebackup: checkpoint completed"));
        assert!(!is_counter("12/07 is a date"));
    }
}
