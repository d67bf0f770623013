//! Looks after the running estate once a second: says which part ended by itself, keeps Redis full while that is
//! wanted, and keeps the logs from filling the disk.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Inner;
use crate::error::PartError;

/// A log larger than this is moved aside; one such older file is kept.
const LOG_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// Starts the watcher; it ends when the returned sender is dropped.
pub(super) fn watch(inner: &Arc<Inner>) -> Result<(Sender<()>, JoinHandle<()>), PartError> {
    let (stop, stopped) = mpsc::channel::<()>();
    let inner = inner.clone();
    let thread = std::thread::Builder::new()
        .name("watcher".into())
        .spawn(move || {
            let mut told = HashSet::new();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_secs(1)) {
                tell_of_ended(&inner, &mut told);
                inner.keep_redis_full();
                for log in logs(&inner) {
                    // Tried again in a second.
                    let _ = rotate(&log);
                }
            }
        })
        .map_err(PartError::io("starting the watcher"))?;
    Ok((stop, thread))
}

/// Says once of each part that it is gone.
fn tell_of_ended(inner: &Inner, told: &mut HashSet<String>) {
    for (recipe, _, runs) in inner.running() {
        if runs {
            told.remove(&recipe.name);
        } else if !inner.is_meant_to_be_down(recipe) && told.insert(recipe.name.clone()) {
            (inner.config.progress)(&format!(
                "{} has ended by itself; its log is {}",
                recipe.name,
                recipe.log.display()
            ));
        }
    }
}

fn logs(inner: &Inner) -> Vec<PathBuf> {
    inner
        .running()
        .into_iter()
        .map(|(recipe, ..)| recipe.log.clone())
        .collect()
}

/// Copies a large log to `NAME.1` and empties it. Its writer appends and so goes on at the new end; a line written
/// between the two is lost, which a demo can bear.
fn rotate(log: &Path) -> std::io::Result<()> {
    if log.metadata()?.len() > LOG_LIMIT_BYTES {
        let mut aside = log.as_os_str().to_owned();
        aside.push(".1");
        std::fs::copy(log, aside)?;
        File::options().write(true).open(log)?.set_len(0)?;
    }
    Ok(())
}
