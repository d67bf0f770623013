//! What a killed estate may have left running, and how the next start finds it.
//!
//! Every process that is started is written down with its start time. A pid is used again sooner or later, so
//! before anything is signalled all of it must still be true: the boot, the pid, the start time, the program. The
//! signal goes through a pidfd, which names one process and never its successor.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::descendant::stat;
use crate::error::PartError;
use crate::process::{Recipe, lock};

/// A process as it was when it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    pid: u32,
    /// Clock ticks after boot.
    start_ticks: u64,
    boot: String,
    /// File name of the program.
    program: String,
    /// Whether it must be ended with `SIGQUIT` (PostgreSQL) and not `SIGTERM`.
    quit: bool,
}

/// The list of started processes, kept in a file.
#[derive(Debug)]
pub(crate) struct Register {
    path: PathBuf,
    records: Mutex<Vec<Record>>,
}

impl Register {
    /// An empty list that will be kept at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            records: Mutex::default(),
        }
    }

    /// Writes a process down; an earlier one of the same name is forgotten.
    pub(crate) fn note(&self, recipe: &Recipe, pid: Option<u32>) -> Result<(), PartError> {
        let mut records = lock(&self.records);
        records.retain(|record| record.name != recipe.name);
        if let Some((pid, start_ticks)) = pid.and_then(|pid| Some((pid, start_ticks(pid)?))) {
            records.push(Record {
                name: recipe.name.clone(),
                pid,
                start_ticks,
                boot: boot(),
                program: file_name(recipe.argv.first().map_or("", String::as_str)).to_owned(),
                quit: recipe.death_signal == "QUIT",
            });
        }
        write_atomically(
            &self.path,
            &serde_json::to_vec_pretty(&*records).unwrap_or_default(),
        )
    }

    /// Names and pids of what is written down.
    pub(crate) fn pids(&self) -> Vec<(String, u32)> {
        lock(&self.records)
            .iter()
            .map(|record| (record.name.clone(), record.pid))
            .collect()
    }
}

/// Ends what an earlier estate wrote down at `path` and what still runs of it; returns names and pids of what was ended.
pub(crate) fn remove(path: &Path) -> Vec<(String, u32)> {
    let records: Vec<Record> = std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let boot = boot();
    let found: Vec<_> = records
        .into_iter()
        .filter_map(|record| {
            let pid = Pid::from_raw(i32::try_from(record.pid).ok()?)?;
            // Open first, compare then: if it is the right one now, the handle can't become another's later.
            let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            (record.boot == boot && is_same(&record)).then_some((record, handle))
        })
        .collect();
    for (record, handle) in &found {
        let _ = pidfd_send_signal(handle, if record.quit { Signal::QUIT } else { Signal::TERM });
        // A stopped process takes no signal before it goes on; that is also how one can outlive its parent.
        let _ = pidfd_send_signal(handle, Signal::CONT);
    }
    let begin = Instant::now();
    for (record, handle) in &found {
        while is_same(record) {
            if begin.elapsed() > Duration::from_secs(3) {
                let _ = pidfd_send_signal(handle, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
            if begin.elapsed() > Duration::from_secs(10) {
                break;
            }
        }
    }
    found
        .into_iter()
        .map(|(record, _)| (record.name, record.pid))
        .collect()
}

/// Whether the process of the record runs (a zombie has no command line any more, and so does not).
fn is_same(record: &Record) -> bool {
    let command = std::fs::read(format!("/proc/{}/cmdline", record.pid)).unwrap_or_default();
    start_ticks(record.pid) == Some(record.start_ticks)
        && String::from_utf8_lossy(&command).contains(&record.program)
        && !command.is_empty()
}

/// When a process started, in clock ticks after boot.
fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.start_ticks)
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Writes a file so that a reader sees the old content or the new, and never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), PartError> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(PartError::io(format!("writing {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, RunAs};
    use crate::scratch::Scratch;

    fn sleeper(scratch: &Scratch, name: &str) -> Process {
        let process = Process::start(Recipe {
            name: name.into(),
            argv: vec!["sleep".into(), "600".into()],
            env: Vec::new(),
            cwd: scratch.path().to_owned(),
            log: scratch.path().join("log"),
            stop_signal: Signal::TERM,
            death_signal: "KILL",
            run_as: RunAs::Caller,
        })
        .unwrap();
        let command = format!("/proc/{}/cmdline", process.pid().unwrap());
        process
            .wait_until(Duration::from_secs(10), || {
                std::fs::read(&command).is_ok_and(|line| line.starts_with(b"sleep"))
            })
            .unwrap();
        process
    }

    #[test]
    fn what_is_written_down_is_ended() {
        let scratch = Scratch::private("leftovers").unwrap();
        let path = scratch.path().join("pids.json");
        let process = sleeper(&scratch, "left");
        Register::new(path.clone())
            .note(process.recipe(), process.pid())
            .unwrap();
        let pid = process.pid().unwrap();
        assert_eq!(remove(&path), [("left".to_owned(), pid)]);
        assert!(!process.is_running());
        assert_eq!(remove(&path), []);
    }

    #[test]
    fn another_process_under_the_same_pid_is_left_alone() {
        let scratch = Scratch::private("leftovers").unwrap();
        let path = scratch.path().join("pids.json");
        let process = sleeper(&scratch, "stranger");
        let register = Register::new(path.clone());
        register.note(process.recipe(), process.pid()).unwrap();
        let truth = lock(&register.records)[0].clone();
        let lies = [
            Record {
                start_ticks: truth.start_ticks - 1,
                ..truth.clone()
            },
            Record {
                program: "postgres".into(),
                ..truth.clone()
            },
            Record {
                boot: "another".into(),
                ..truth.clone()
            },
        ];
        for lie in lies {
            write_atomically(&path, &serde_json::to_vec(&[lie]).unwrap()).unwrap();
            assert_eq!(remove(&path), []);
            assert!(process.is_running());
        }
    }
}
