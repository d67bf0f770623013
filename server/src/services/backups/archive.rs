//! What is really in the archive of the write-ahead log, and how new the commits in it are.

use std::{collections::HashMap, path::PathBuf, sync::Mutex};

use quarterdeck_domain::backup::{
    FoundWal, SegmentName, SegmentSize, ServerWal, StoredSegment, TimelineHistory, WalArchive,
};
use time::OffsetDateTime;

use crate::clients::{
    commit_times::{CommitTimeError, CommitTimes},
    store::{Store, StoreError, Stored},
    wal_segment::uncompressed,
};

/// How far back a commit is looked for from the end of what is stored: an idle server fills segments with none.
const LOOK_BACK: usize = 12;
/// Ends of what is stored whose commits are looked up at one look; there are more only where the archive has many gaps.
const ENDS: usize = 8;

/// Looks into the archive. Remembers what it has read: a segment does not change once it is stored.
#[derive(Debug)]
pub struct ArchiveReader {
    store: Store,
    commit_times: CommitTimes,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// By path, with the file as it was when it was read.
    histories: HashMap<String, (Stored, Result<TimelineHistory, String>)>,
    /// The last commit of segments; none where there is none in it.
    commits: HashMap<SegmentName, (Stored, Option<OffsetDateTime>)>,
}

/// What was found at one look.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundArchive {
    /// Where it is.
    pub place: String,
    /// The archive in order.
    pub wal: WalArchive,
    /// The files of the segments.
    pub files: HashMap<SegmentName, Stored>,
    /// The files of the histories.
    pub histories: Vec<Stored>,
    /// Bytes of all its files.
    pub bytes: u64,
    /// What is wrong with single files, in words.
    pub findings: Vec<String>,
}

/// The files of an archive, sorted.
struct Sorted {
    segments: HashMap<SegmentName, Stored>,
    uploading: Vec<SegmentName>,
    histories: Vec<Stored>,
    bytes: u64,
    findings: Vec<String>,
}

impl ArchiveReader {
    /// Over a store. Commits are looked up with `pg_waldump` from `programs`, in `directory`.
    #[must_use]
    pub fn new(store: Store, programs: Option<PathBuf>, directory: PathBuf) -> Self {
        Self {
            store,
            commit_times: CommitTimes::new(programs, directory),
            read: Mutex::default(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lists the archive, reads the histories that are new, and looks up the last commits before each end of what is stored.
    /// `server` was asked before.
    ///
    /// # Errors
    /// [`StoreError`] when the archive can't be listed. A commit that can't be looked up is a finding.
    pub async fn look(
        &self,
        server: Option<ServerWal>,
        size: SegmentSize,
        young_s: u32,
        now: OffsetDateTime,
    ) -> Result<FoundArchive, StoreError> {
        let mut sorted = sorted(self.store.list("").await?, size);
        let histories = self.histories(&sorted.histories, &mut sorted.findings).await?;
        let found = |segments: &HashMap<SegmentName, Stored>,
                     commits: &HashMap<SegmentName, (Stored, Option<OffsetDateTime>)>| {
            let stored = |(name, file): (&SegmentName, &Stored)| StoredSegment {
                name: *name,
                stored_at: file.modified_at,
                last_commit_at: commits.get(name).and_then(|(_, at)| *at),
            };
            WalArchive::new(FoundWal {
                size,
                segments: segments.iter().map(stored).collect(),
                histories: histories.clone(),
                uploading: sorted.uploading.clone(),
                server: server.clone(),
                young_s,
                seen_at: now,
            })
        };
        let known = self.known(&sorted.segments);
        let wal = found(&sorted.segments, &known);
        let ends = ends(&wal);
        let commits = self
            .commits(&ends, &sorted.segments, known, size, &mut sorted.findings)
            .await;
        let wal = found(&sorted.segments, &commits);
        lock(&self.read).commits = commits;
        Ok(FoundArchive {
            place: self.store.place().to_owned(),
            wal,
            files: sorted.segments,
            histories: sorted.histories,
            bytes: sorted.bytes,
            findings: sorted.findings,
        })
    }

    async fn histories(
        &self,
        files: &[Stored],
        findings: &mut Vec<String>,
    ) -> Result<Vec<TimelineHistory>, StoreError> {
        let mut read = HashMap::new();
        for file in files {
            let known = lock(&self.read).histories.get(&file.path).cloned();
            let content = match known.filter(|(of, _)| of == file) {
                Some((_, content)) => content,
                None => {
                    let content = self.store.get(&file.path).await?;
                    TimelineHistory::parse(file_name(&file.path), &String::from_utf8_lossy(&content))
                        .map_err(|error| error.to_string())
                }
            };
            read.insert(file.path.clone(), (file.clone(), content));
        }
        let histories = read
            .values()
            .filter_map(|(_, content)| content.clone().ok())
            .collect();
        findings.extend(read.values().filter_map(|(_, content)| content.clone().err()));
        lock(&self.read).histories = read;
        Ok(histories)
    }

    /// The commits that were looked up in segments which are still what they were.
    fn known(
        &self,
        segments: &HashMap<SegmentName, Stored>,
    ) -> HashMap<SegmentName, (Stored, Option<OffsetDateTime>)> {
        let mut known = lock(&self.read).commits.clone();
        known.retain(|name, (file, _)| segments.get(name) == Some(file));
        known
    }

    /// Looks up the last commit before each end, going back from there until one is found.
    async fn commits(
        &self,
        ends: &[Vec<SegmentName>],
        segments: &HashMap<SegmentName, Stored>,
        mut known: HashMap<SegmentName, (Stored, Option<OffsetDateTime>)>,
        size: SegmentSize,
        findings: &mut Vec<String>,
    ) -> HashMap<SegmentName, (Stored, Option<OffsetDateTime>)> {
        for end in ends {
            for name in end {
                let Some(file) = segments.get(name) else { break };
                let at = match known.get(name) {
                    Some((_, at)) => *at,
                    None => match self.commit_times.last_in(&self.store, file, *name, size).await {
                        Ok(at) => {
                            known.insert(*name, (file.clone(), at));
                            at
                        }
                        Err(CommitTimeError::Damaged { reason }) => {
                            findings.push(format!("{} can't be read as WAL: {reason}", file.path));
                            break;
                        }
                        Err(error) => {
                            findings.push(format!(
                                "the commits in {} can't be looked up: {error}",
                                file.path
                            ));
                            break;
                        }
                    },
                };
                if at.is_some() {
                    break;
                }
            }
        }
        known
    }
}

/// The last segments before each end of what is stored, the newest first: where commits are to be looked up.
fn ends(wal: &WalArchive) -> Vec<Vec<SegmentName>> {
    let mut ends = Vec::new();
    for timeline in wal.timelines().into_iter().rev() {
        let stored = wal.stored(timeline, 0, None);
        let mut runs = stored
            .chunk_by(|a, b| a.name.number + 1 == b.name.number)
            .collect::<Vec<_>>();
        runs.reverse();
        for run in runs {
            if ends.len() == ENDS {
                return ends;
            }
            ends.push(
                run.iter()
                    .rev()
                    .take(LOOK_BACK)
                    .map(|segment| segment.name)
                    .collect(),
            );
        }
    }
    ends
}

fn sorted(files: Vec<Stored>, size: SegmentSize) -> Sorted {
    let mut sorted = Sorted {
        segments: HashMap::with_capacity(files.len()),
        uploading: Vec::new(),
        histories: Vec::new(),
        bytes: 0,
        findings: Vec::new(),
    };
    for file in files {
        sorted.bytes += file.bytes;
        let name = file_name(&file.path);
        if TimelineHistory::timeline_of(name).is_some() {
            sorted.histories.push(file);
            continue;
        }
        let (plain, compressed) = uncompressed(name);
        let Some(segment) = plain
            .get(..24)
            .and_then(|digits| SegmentName::parse(digits, size).ok())
        else {
            continue;
        };
        // `.backup` and `.partial` files stand beside a segment, and are none.
        if plain.len() > 24 {
            if !plain.ends_with(".backup") && !plain.ends_with(".partial") {
                sorted.uploading.push(segment);
            }
        } else if file.bytes == 0 || (compressed.is_none() && file.bytes != size.bytes()) {
            sorted.findings.push(format!(
                "{} has {} bytes, where a segment has {}: it is cut off, or still being written",
                file.path,
                file.bytes,
                size.bytes()
            ));
            sorted.uploading.push(segment);
        } else {
            sorted.segments.insert(segment, file);
        }
    }
    sorted
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
