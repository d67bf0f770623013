//! The local journal as a file: opened by one console at a time, whole before it is used, durable before anything is
//! done that it tells of.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use quarterdeck_domain::{
    audit::Head,
    journal::{Broken, Entry, Note, Row, Story, genesis, line, read, stories},
};
use uuid::Uuid;

use crate::{clock::Clock, entropy::Entropy};

/// Why the journal can't be used. Nothing is done then.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk does not take or give it.
    #[error("the journal {} can't be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another console has it.
    #[error("the journal {} is another console's; each needs its own", .0.display())]
    Held(PathBuf),
    /// A note has no JSON form; a fault of the console.
    #[error("the note has no JSON form")]
    Form(#[from] serde_json::Error),
    /// An earlier note could not be written, so that the file may end with a part of it.
    #[error("the journal {} could not be written before; start the console anew once its disk is well", .0.display())]
    Spoilt(PathBuf),
}

/// The journal, open and whole.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    id: Uuid,
    clock: Arc<dyn Clock>,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    rows: Vec<Row>,
    spoilt: bool,
}

impl Open {
    fn last(&self) -> Head {
        self.rows.last().map_or_else(genesis, |row| row.head)
    }
}

impl Journal {
    /// Opens a journal, or makes one. A line that was torn is cut off. One whose chain is broken is kept aside under
    /// another name, and a new one says so in its first line. What was being done when a console died is ended, as far
    /// as it came. Blocks.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = locked(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(io)?;
        let (reading, kept_aside) = match read(&content) {
            Ok(reading) => (reading, None),
            Err(broken) => {
                let kept = keep_aside(path, &broken, clock.now().unix_timestamp()).map_err(io)?;
                file = locked(path)?;
                (
                    read(&[]).map_err(|_| io(io::ErrorKind::InvalidData.into()))?,
                    Some(kept),
                )
            }
        };
        if reading.whole < content.len() && kept_aside.is_none() {
            tracing::warn!(path = %path.display(), bytes = content.len() - reading.whole, "the journal's last line was torn and is cut off");
            file.set_len(reading.whole as u64).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let id = match reading.rows.first().map(|row| &row.note.entry) {
            Some(Entry::Opened { journal, .. }) => Some(*journal),
            Some(_) | None => None,
        };
        let new = entropy.uuid(clock.now());
        let journal = Self {
            path: path.to_owned(),
            id: id.unwrap_or(new),
            clock,
            open: Mutex::new(Open {
                file,
                rows: reading.rows,
                spoilt: false,
            }),
        };
        if id.is_none() {
            journal.write(Entry::Opened {
                journal: new,
                kept_aside,
            })?;
        }
        for story in journal.stories().iter().filter(|story| story.ended.is_none()) {
            journal.write(Entry::Ended {
                action: story.intent.action,
                outcome: story.left(),
            })?;
        }
        Ok(journal)
    }

    /// Its id, as in its first line.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Its rows, in order.
    pub fn rows(&self) -> Vec<Row> {
        self.lock().rows.clone()
    }

    /// The actions that it tells of, in order.
    pub fn stories(&self) -> Vec<Story> {
        stories(&self.lock().rows)
    }

    /// Writes a note and makes it durable.
    ///
    /// # Errors
    /// [`JournalError`]: what it tells of must not be done.
    pub async fn append(self: &Arc<Self>, entry: Entry) -> Result<(), JournalError> {
        let journal = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || journal.write(entry)).await;
        written.unwrap_or_else(|_| Err(JournalError::Spoilt(self.path.clone())))
    }

    fn write(&self, entry: Entry) -> Result<(), JournalError> {
        let mut open = self.lock();
        if open.spoilt {
            return Err(JournalError::Spoilt(self.path.clone()));
        }
        let at = self.clock.now();
        let (row, text) = line(open.last(), Note { at, entry })?;
        // Unless it is known to be whole, nothing may follow on it.
        open.spoilt = true;
        let written = open
            .file
            .write_all(text.as_bytes())
            .and_then(|()| open.file.sync_data());
        written.map_err(|source| JournalError::Io {
            path: self.path.clone(),
            source,
        })?;
        open.spoilt = false;
        open.rows.push(row);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the file for this console alone, and makes its name durable.
fn locked(path: &Path) -> Result<File, JournalError> {
    let io = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Reasons and names are nobody else's business.
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => JournalError::Held(path.to_owned()),
        TryLockError::Error(source) => io(source),
    })?;
    directory(path).map_err(io)?;
    Ok(file)
}

fn directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Puts a broken journal aside; answers where it is and what is wrong with it.
fn keep_aside(path: &Path, broken: &Broken, now: i64) -> io::Result<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".broken-{now}"));
    let aside = PathBuf::from(name);
    fs::rename(path, &aside)?;
    directory(path)?;
    let kept = format!("{}: {broken}", aside.display());
    tracing::error!(
        kept,
        "the journal is not what was written; it is kept aside and not taken into the audit log"
    );
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::{
        access::Role,
        action::{Failure, Outcome, Params, Plan},
        journal::{Actor, Intent},
    };
    use tempfile::TempDir;
    use time::OffsetDateTime;

    use super::*;
    use crate::{clock::SystemClock, entropy::SystemEntropy};

    fn open(directory: &TempDir) -> Result<Journal, JournalError> {
        let path = directory.path().join("journal.jsonl");
        Journal::open(&path, Arc::new(SystemClock), &SystemEntropy)
    }

    fn content(directory: &TempDir) -> String {
        fs::read_to_string(directory.path().join("journal.jsonl")).unwrap()
    }

    fn intent(action: Uuid) -> Entry {
        let plan = Plan {
            params: Params::Failover {
                candidate: "db-2".to_owned(),
                accept_loss: false,
                at_most: None,
            },
            planned_at: OffsetDateTime::UNIX_EPOCH,
            targets: Vec::new(),
            left_out: Vec::new(),
            gates: Vec::new(),
            effect: String::new(),
            expected_s: 1,
            undo: String::new(),
        };
        Entry::Intent(Box::new(Intent {
            action,
            digest: plan.digest().unwrap(),
            plan,
            reason: "Both are down.".to_owned(),
            by: Actor {
                account: Uuid::nil(),
                name: "april".to_owned(),
                role: Role::Approver,
                session: Uuid::nil(),
                address: None,
                user_agent: String::new(),
                trace_id: None,
            },
        }))
    }

    #[test]
    fn it_goes_on_where_it_was_and_one_console_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let journal = open(&directory).unwrap();
        journal.write(intent(Uuid::from_u128(1))).unwrap();
        let id = journal.id();
        assert!(matches!(open(&directory), Err(JournalError::Held(_))));
        drop(journal);
        let journal = open(&directory).unwrap();
        assert_eq!(journal.id(), id);
        // What nobody was left to do is ended.
        let story = journal.stories().remove(0);
        assert!(matches!(
            story.ended,
            Some((_, Outcome::Failed(Failure::NotBegun { .. })))
        ));
        let lines = content(&directory);
        drop(journal);
        open(&directory).unwrap();
        assert_eq!(content(&directory), lines, "ended once");
    }

    #[test]
    fn a_torn_line_is_cut_off_and_what_follows_holds() {
        let directory = tempfile::tempdir().unwrap();
        open(&directory)
            .unwrap()
            .write(intent(Uuid::from_u128(1)))
            .unwrap();
        let whole = content(&directory);
        let torn = whole.len() - 7;
        fs::write(directory.path().join("journal.jsonl"), &whole[..torn]).unwrap();
        let journal = open(&directory).unwrap();
        assert!(journal.stories().is_empty());
        journal.write(intent(Uuid::from_u128(2))).unwrap();
        drop(journal);
        assert_eq!(open(&directory).unwrap().stories().len(), 1);
    }

    #[test]
    fn a_changed_one_is_kept_aside_and_the_new_one_says_so() {
        let directory = tempfile::tempdir().unwrap();
        open(&directory)
            .unwrap()
            .write(intent(Uuid::from_u128(1)))
            .unwrap();
        let changed = content(&directory).replace("Both are down.", "Nobody is down.");
        fs::write(directory.path().join("journal.jsonl"), &changed).unwrap();
        let journal = open(&directory).unwrap();
        assert!(journal.stories().is_empty());
        let rows = journal.rows();
        let Entry::Opened {
            kept_aside: Some(kept),
            ..
        } = &rows[0].note.entry
        else {
            panic!("{rows:?}");
        };
        assert!(kept.contains("line 2 does not fit its hash"), "{kept}");
        let aside = kept.split(": ").next().unwrap();
        assert_eq!(fs::read_to_string(aside).unwrap(), changed);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let path = Path::new("/nonexistent/journal.jsonl");
        let refused = Journal::open(path, Arc::new(SystemClock), &SystemEntropy).unwrap_err();
        assert!(refused.to_string().contains("/nonexistent/journal.jsonl"));
    }
}
