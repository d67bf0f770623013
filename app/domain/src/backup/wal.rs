//! The archive of the write-ahead log: which segments follow each other without a break, and which are missing.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Line, SegmentName, SegmentSize, Stretch, Timeline, TimelineHistory};
use crate::cluster::Lsn;

/// A complete segment that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredSegment {
    /// Which.
    pub name: SegmentName,
    /// When it was stored: later than every commit in it.
    #[serde(with = "time::serde::rfc3339")]
    pub stored_at: OffsetDateTime,
    /// The time of the last commit in it, where it was looked up. For a segment without a commit, that of the segment before.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_commit_at: Option<OffsetDateTime>,
}

/// What the server that writes says of its write-ahead log. To be asked for before the store is listed: then a segment that
/// is neither waiting there nor stored has not merely been missed between the two looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerWal {
    /// The timeline that it writes.
    pub timeline: Timeline,
    /// How far it has written.
    pub position: Lsn,
    /// The segments that wait to be archived (`.ready`). None if that could not be asked.
    pub ready: Option<Vec<SegmentName>>,
}

/// An archive as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalArchive {
    size: SegmentSize,
    segments: Vec<StoredSegment>,
    histories: Vec<TimelineHistory>,
    uploading: Vec<SegmentName>,
    server: Option<ServerWal>,
    young_s: u32,
    seen_at: OffsetDateTime,
}

/// What an archive is made of, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundWal {
    /// The size of the cluster's segments.
    pub size: SegmentSize,
    /// The complete segments.
    pub segments: Vec<StoredSegment>,
    /// The histories that are stored.
    pub histories: Vec<TimelineHistory>,
    /// Segments of which something partial or temporary is there.
    pub uploading: Vec<SegmentName>,
    /// What the server says; none if it says nothing.
    pub server: Option<ServerWal>,
    /// For how long a segment is merely late, seconds: `archive_timeout`.
    pub young_s: u32,
    /// When the store was listed.
    pub seen_at: OffsetDateTime,
}

/// Why a segment is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Missing {
    /// It is not archived yet: the server has it in its backlog, or it is young.
    Delayed,
    /// Something partial or temporary of it is there.
    Uploading,
    /// Nothing says that it will still come.
    Lost,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delayed, Self::Uploading, Self::Lost];

    /// Its name in metrics.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Uploading => "uploading",
            Self::Lost => "lost",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Delayed => "not archived yet",
            Self::Uploading => "being uploaded",
            Self::Lost => "lost",
        }
    }
}

/// Consecutive segments of one timeline that are missing for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gap {
    /// The timeline.
    pub timeline: Timeline,
    /// The number of the first missing segment.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Why.
    pub missing: Missing,
}

impl Gap {
    /// How many segments are missing.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The names of the first and the last one.
    #[must_use]
    pub fn names(&self, size: SegmentSize) -> (String, String) {
        let name = |number| {
            SegmentName {
                timeline: self.timeline,
                number,
            }
            .file_name(size)
        };
        (name(self.first), name(self.last))
    }

    /// In words: "segment 000000010000000000000003 is lost".
    #[must_use]
    pub fn words(&self, size: SegmentSize) -> String {
        let (first, last) = self.names(size);
        match self.count() {
            1 => format!("segment {first} is {}", self.missing.label()),
            count => format!(
                "{count} segments, {first} to {last}, are {}",
                self.missing.label()
            ),
        }
    }
}

/// How new the newest commit in some segments is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Newest {
    /// A commit of this time is known to be in them. None if none was looked up.
    #[serde(with = "time::serde::rfc3339::option")]
    pub certain: Option<OffsetDateTime>,
    /// There is none after this time.
    #[serde(with = "time::serde::rfc3339")]
    pub at_most: OffsetDateTime,
}

impl Newest {
    fn of(segment: &StoredSegment) -> Self {
        Self {
            certain: segment.last_commit_at,
            at_most: segment.last_commit_at.unwrap_or(segment.stored_at),
        }
    }

    /// With a segment that follows.
    fn then(self, segment: &StoredSegment) -> Self {
        let certain = self.certain.max(segment.last_commit_at);
        let last = segment.last_commit_at.unwrap_or(segment.stored_at);
        Self {
            certain,
            at_most: certain.map_or(last, |certain| certain.max(last)),
        }
    }
}

/// Stored segments with consecutive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    /// The first.
    pub first: SegmentName,
    /// The last, which may be of a later timeline.
    pub last: SegmentName,
    /// When the first was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub first_stored_at: OffsetDateTime,
    /// When the last was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub last_stored_at: OffsetDateTime,
    /// The newest commit in them.
    pub newest: Newest,
}

impl Run {
    /// How many segments.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.last.number - self.first.number + 1
    }
}

/// What an archive has of one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineContinuity {
    /// The timeline.
    pub timeline: Timeline,
    /// The timeline it came from and where it left that; none for the first, and where its history is not stored.
    pub began: Option<(Timeline, Lsn)>,
    /// Where it was left for another timeline, which is where its WAL ends rightly. What it has after that is of a branch
    /// that nobody follows.
    pub left_at: Option<Lsn>,
    /// Whether its history is not stored although it must have one: recovery can't get to it from an older timeline.
    pub history_missing: bool,
    /// What is there.
    pub runs: Vec<Run>,
    /// What is missing: between runs, before where it was left, and up to where the server writes now.
    pub gaps: Vec<Gap>,
}

impl WalArchive {
    /// Puts in order what was found. Of a segment that is stored twice the copy that was there first counts.
    #[must_use]
    pub fn new(found: FoundWal) -> Self {
        let FoundWal {
            size,
            mut segments,
            histories,
            mut uploading,
            mut server,
            young_s,
            seen_at,
        } = found;
        segments.sort_unstable_by_key(|segment| (segment.name, segment.stored_at));
        segments.dedup_by_key(|segment| segment.name);
        uploading.sort_unstable();
        if let Some(ready) = server.as_mut().and_then(|server| server.ready.as_mut()) {
            ready.sort_unstable();
        }
        Self {
            size,
            segments,
            histories,
            uploading,
            server,
            young_s,
            seen_at,
        }
    }

    /// The size of its segments.
    #[must_use]
    pub const fn size(&self) -> SegmentSize {
        self.size
    }

    /// The segments, by timeline and number.
    #[must_use]
    pub fn segments(&self) -> &[StoredSegment] {
        &self.segments
    }

    /// When it was listed.
    #[must_use]
    pub const fn seen_at(&self) -> OffsetDateTime {
        self.seen_at
    }

    /// What the server said.
    #[must_use]
    pub const fn server(&self) -> Option<&ServerWal> {
        self.server.as_ref()
    }

    /// All timelines of which anything is known, in order.
    #[must_use]
    pub fn timelines(&self) -> Vec<Timeline> {
        let mut timelines: Vec<_> = self
            .segments
            .chunk_by(|a, b| a.name.timeline == b.name.timeline)
            .map(|of| of[0].name.timeline)
            .collect();
        timelines.extend(self.histories.iter().flat_map(|history| {
            history
                .forks
                .iter()
                .map(|fork| fork.parent)
                .chain([history.timeline])
        }));
        timelines.extend(self.server.as_ref().map(|server| server.timeline));
        timelines.sort_unstable();
        timelines.dedup();
        timelines
    }

    /// The timeline that is written now: the server's, or the newest one that is known. None of an empty archive.
    #[must_use]
    pub fn current(&self) -> Option<Timeline> {
        self.server
            .as_ref()
            .map(|server| server.timeline)
            .or_else(|| self.timelines().last().copied())
    }

    /// What recovery follows to a timeline.
    #[must_use]
    pub fn line(&self, timeline: Timeline) -> Line {
        Line::to(timeline, &self.histories, self.size)
    }

    /// The stored segments of a timeline with numbers in `first..end`.
    #[must_use]
    pub fn stored(&self, timeline: Timeline, first: u64, end: Option<u64>) -> &[StoredSegment] {
        let from = self.segments.partition_point(|segment| {
            segment.name
                < SegmentName {
                    timeline,
                    number: first,
                }
        });
        let rest = &self.segments[from..];
        rest.get(
            ..rest.partition_point(|segment| {
                segment.name.timeline == timeline && end.is_none_or(|end| segment.name.number < end)
            }),
        )
        .unwrap_or_default()
    }

    fn of_stretch(&self, stretch: &Stretch) -> &[StoredSegment] {
        self.stored(stretch.timeline, stretch.first, stretch.end)
    }

    /// The stored segments along a line, in runs.
    #[must_use]
    pub fn runs(&self, line: &Line) -> Vec<Run> {
        runs(line.stretches.iter().flat_map(|stretch| self.of_stretch(stretch)))
    }

    /// Why the segments of a line with numbers `first..=last` are missing, of which none is stored. `next_stored_at` is when
    /// the segment after them was stored, if it is there.
    #[must_use]
    pub fn missing(
        &self,
        line: &Line,
        first: u64,
        last: u64,
        next_stored_at: Option<OffsetDateTime>,
    ) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for stretch in &line.stretches {
            let first = first.max(stretch.first);
            let last = stretch.end.map_or(last, |end| last.min(end.saturating_sub(1)));
            if first <= last && stretch.end != Some(0) {
                self.missing_of(stretch.timeline, first, last, next_stored_at, &mut gaps);
            }
        }
        gaps
    }

    fn missing_of(
        &self,
        timeline: Timeline,
        first: u64,
        last: u64,
        next_stored_at: Option<OffsetDateTime>,
        gaps: &mut Vec<Gap>,
    ) {
        let ready = self.server.as_ref().and_then(|server| server.ready.as_deref());
        // The last ones have no successor whose age would tell theirs: the backlog does, if it is known.
        let newest_stored = || {
            self.stored(timeline, 0, None)
                .last()
                .map(|segment| segment.stored_at)
        };
        let reference = match (next_stored_at, ready) {
            (Some(next), _) => Some(next),
            (None, Some(_)) => None,
            (None, None) => newest_stored(),
        };
        let young =
            reference.is_some_and(|at| self.seen_at - at < time::Duration::seconds(self.young_s.into()));
        let rest = if young { Missing::Delayed } else { Missing::Lost };
        let marks = |names: &[SegmentName], missing| {
            let from = names.partition_point(|name| {
                *name
                    < SegmentName {
                        timeline,
                        number: first,
                    }
            });
            let to = names.partition_point(|name| {
                *name
                    <= SegmentName {
                        timeline,
                        number: last,
                    }
            });
            names[from..to]
                .iter()
                .map(|name| (name.number, missing))
                .collect::<Vec<_>>()
        };
        let mut marked = marks(&self.uploading, Missing::Uploading);
        marked.extend(marks(ready.unwrap_or_default(), Missing::Delayed));
        marked.sort_by_key(|(number, _)| *number);
        marked.dedup_by_key(|(number, _)| *number);
        let mut add = |first, last, missing| match gaps.last_mut() {
            Some(gap) if gap.timeline == timeline && gap.last + 1 == first && gap.missing == missing => {
                gap.last = last
            }
            Some(_) | None => gaps.push(Gap {
                timeline,
                first,
                last,
                missing,
            }),
        };
        let mut next = first;
        for (number, missing) in marked {
            if next < number {
                add(next, number - 1, rest);
            }
            add(number, number, missing);
            next = number + 1;
        }
        if next <= last {
            add(next, last, rest);
        }
    }

    /// What is there and what is missing of each timeline.
    #[must_use]
    pub fn continuity(&self) -> Vec<TimelineContinuity> {
        let Some(current) = self.current() else {
            return Vec::new();
        };
        let current = self.line(current);
        self.timelines()
            .into_iter()
            .map(|timeline| {
                if current.stretch(timeline).is_some() {
                    self.continuity_of(timeline, &current)
                } else {
                    self.continuity_of(timeline, &self.line(timeline))
                }
            })
            .collect()
    }

    /// The first segment of a stretch that waits on the server.
    fn waits(&self, stretch: &Stretch) -> Option<u64> {
        let ready = self.server.as_ref()?.ready.as_ref()?;
        let from = ready.partition_point(|name| {
            *name
                < SegmentName {
                    timeline: stretch.timeline,
                    number: stretch.first,
                }
        });
        let name = ready.get(from)?;
        let within = name.timeline == stretch.timeline && stretch.end.is_none_or(|end| name.number < end);
        within.then_some(name.number)
    }

    fn continuity_of(&self, timeline: Timeline, line: &Line) -> TimelineContinuity {
        let history = self.histories.iter().find(|history| history.timeline == timeline);
        let mut continuity = TimelineContinuity {
            timeline,
            began: history
                .and_then(|history| history.forks.last())
                .map(|fork| (fork.parent, fork.at)),
            left_at: None,
            history_missing: timeline > 1 && history.is_none(),
            runs: runs(self.stored(timeline, 0, None)),
            gaps: Vec::new(),
        };
        let Some(at) = line
            .stretches
            .iter()
            .position(|stretch| stretch.timeline == timeline)
        else {
            return continuity;
        };
        let stretch = line.stretches[at];
        continuity.left_at = stretch.left_at;
        let stored = self.of_stretch(&stretch);
        let known = |stretch: &Stretch| {
            let stored = self
                .of_stretch(stretch)
                .first()
                .map(|segment| segment.name.number);
            let waits = self.waits(stretch);
            stored.into_iter().chain(waits).min()
        };
        let older = line.stretches[..at]
            .iter()
            .any(|stretch| known(stretch).is_some());
        let Some(first) = (if older {
            Some(stretch.first)
        } else {
            known(&stretch)
        }) else {
            return continuity;
        };
        let writes = self.server.as_ref().filter(|server| server.timeline == timeline);
        let after_last = stored.last().map_or(first, |last| last.name.number + 1);
        let end = match (stretch.end, writes) {
            (Some(end), _) => end,
            (None, Some(server)) => after_last.max(self.size.number_of(server.position)),
            (None, None) => after_last,
        };
        let following = line.stretches[at + 1..]
            .iter()
            .find_map(|stretch| self.of_stretch(stretch).first());
        let mut next = first;
        for run in runs(stored) {
            if next < run.first.number {
                self.missing_of(
                    timeline,
                    next,
                    run.first.number - 1,
                    Some(run.first_stored_at),
                    &mut continuity.gaps,
                );
            }
            next = run.last.number + 1;
        }
        if next < end {
            let following = following.map(|segment| segment.stored_at);
            self.missing_of(timeline, next, end - 1, following, &mut continuity.gaps);
        }
        continuity
    }
}

fn runs<'a>(segments: impl IntoIterator<Item = &'a StoredSegment>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for segment in segments {
        match runs.last_mut() {
            Some(run) if run.last.number + 1 == segment.name.number => {
                run.last = segment.name;
                run.last_stored_at = segment.stored_at;
                run.newest = run.newest.then(segment);
            }
            Some(_) | None => runs.push(Run {
                first: segment.name,
                last: segment.name,
                first_stored_at: segment.stored_at,
                last_stored_at: segment.stored_at,
                newest: Newest::of(segment),
            }),
        }
    }
    runs
}

#[cfg(test)]
#[path = "wal_tests.rs"]
mod tests;
