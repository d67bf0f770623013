//! Timelines: where each left its parent, as the `.history` files of an archive say, and the line of segments that recovery follows.

use serde::{Deserialize, Serialize};

use super::{SegmentName, SegmentSize, Timeline};
use crate::cluster::Lsn;

/// Where a timeline was left for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fork {
    /// The timeline that was left.
    pub parent: Timeline,
    /// What was written on it from here on does not belong to its child.
    pub at: Lsn,
    /// Why, in the server's words: "no recovery target specified", "before 2026-11-28 03:00:00+00".
    pub reason: String,
}

/// From which timelines one comes: the content of its `.history` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineHistory {
    /// The timeline.
    pub timeline: Timeline,
    /// Its ancestors, the oldest first; the last is its parent.
    pub forks: Vec<Fork>,
}

/// A file that is no history of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHistory {
    /// By its name.
    #[error("{0:?} names no history of a timeline: 00000002.history does")]
    Name(String),
    /// By what is in it.
    #[error("line {line} of the history of timeline {timeline} can't be read: {reason}")]
    Line {
        /// The timeline.
        timeline: Timeline,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl TimelineHistory {
    /// The timeline that a file name speaks of: `00000002.history`. None for any other file.
    #[must_use]
    pub fn timeline_of(file_name: &str) -> Option<Timeline> {
        let digits = file_name.strip_suffix(".history")?;
        let canonical = digits.len() == 8
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        let timeline = canonical
            .then(|| Timeline::from_str_radix(digits, 16).ok())
            .flatten()?;
        (timeline > 0).then_some(timeline)
    }

    /// Reads a file by its name and content.
    ///
    /// # Errors
    /// When the server could not read it either, or when its ancestors are not in their order.
    pub fn parse(file_name: &str, content: &str) -> Result<Self, MalformedHistory> {
        let timeline =
            Self::timeline_of(file_name).ok_or_else(|| MalformedHistory::Name(file_name.to_owned()))?;
        let mut forks: Vec<Fork> = Vec::new();
        for (index, text) in content.lines().enumerate() {
            let text = text.trim_start();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |reason| MalformedHistory::Line {
                timeline,
                line: index + 1,
                reason,
            };
            let (parent, rest) = text
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong("it has one word only"))?;
            let rest = rest.trim_start();
            let (at, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let parent = parent
                .parse()
                .map_err(|_| wrong("it does not begin with the number of a timeline"))?;
            let at = at
                .parse()
                .map_err(|_| wrong("no position follows the timeline"))?;
            let (after, from) = forks
                .last()
                .map_or((0, Lsn::default()), |fork| (fork.parent, fork.at));
            if parent <= after || parent >= timeline {
                return Err(wrong(
                    "timelines go up, and an ancestor's number is below its child's",
                ));
            }
            if at < from {
                return Err(wrong("positions don't go down"));
            }
            forks.push(Fork {
                parent,
                at,
                reason: reason.trim().to_owned(),
            });
        }
        Ok(Self { timeline, forks })
    }
}

/// A part of a [`Line`]: the segments that it takes from one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The timeline.
    pub timeline: Timeline,
    /// The number of its first segment: the one in which it left its parent.
    pub first: u64,
    /// The number after its last: that segment is its child's. None if it was not left.
    pub end: Option<u64>,
    /// Where it was left; none if it was not.
    pub left_at: Option<Lsn>,
}

/// What recovery follows to a timeline: of each segment number, from which timeline it is taken. The segment in which a
/// timeline was left is the child's: it begins with a copy of what the parent had written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it leads.
    pub timeline: Timeline,
    /// Its parts, the oldest first; the last is of [`Self::timeline`].
    pub stretches: Vec<Stretch>,
}

impl Line {
    /// To a timeline. Without its history only its own segments are known to belong to it.
    #[must_use]
    pub fn to(timeline: Timeline, histories: &[TimelineHistory], size: SegmentSize) -> Self {
        let history = histories.iter().find(|history| history.timeline == timeline);
        let mut first = 0;
        let mut stretches = Vec::new();
        for fork in history.map_or(&[][..], |history| &history.forks) {
            let end = size.number_of(fork.at);
            stretches.push(Stretch {
                timeline: fork.parent,
                first,
                end: Some(end),
                left_at: Some(fork.at),
            });
            first = end;
        }
        stretches.push(Stretch {
            timeline,
            first,
            end: None,
            left_at: None,
        });
        Self { timeline, stretches }
    }

    /// Its part of a timeline, if it leads over that one.
    #[must_use]
    pub fn stretch(&self, timeline: Timeline) -> Option<&Stretch> {
        self.stretches.iter().find(|stretch| stretch.timeline == timeline)
    }

    /// Whether what a timeline had at a position belongs to it.
    #[must_use]
    pub fn passes(&self, timeline: Timeline, position: Lsn) -> bool {
        self.stretch(timeline)
            .is_some_and(|stretch| stretch.left_at.is_none_or(|left| position <= left))
    }

    /// The segment of a number.
    #[must_use]
    pub fn segment(&self, number: u64) -> SegmentName {
        let timeline = self
            .stretches
            .iter()
            .rfind(|stretch| stretch.first <= number)
            .map_or(self.timeline, |stretch| stretch.timeline);
        SegmentName { timeline, number }
    }

    /// From which position on it is not the same as another; none if that one leads over all of it.
    #[must_use]
    pub fn parts_from(&self, other: &Self) -> Option<Lsn> {
        let Some(common) = self
            .stretches
            .iter()
            .rev()
            .find(|stretch| other.stretch(stretch.timeline).is_some())
        else {
            return Some(Lsn::default());
        };
        let theirs = other.stretch(common.timeline).and_then(|stretch| stretch.left_at);
        match (common.left_at, theirs) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    fn third() -> TimelineHistory {
        let content =
            "1\t0/3000148\tno recovery target specified\n\n2\t0/9000000\tbefore 2026-11-28 03:00:00+00\n";
        TimelineHistory::parse("00000003.history", content).unwrap()
    }

    #[test]
    fn a_history_says_who_the_ancestors_are() {
        let history = third();
        assert_eq!(history.timeline, 3);
        assert_eq!(
            history.forks[0],
            Fork {
                parent: 1,
                at: lsn("0/3000148"),
                reason: "no recovery target specified".into()
            }
        );
        assert_eq!(history.forks[1].reason, "before 2026-11-28 03:00:00+00");
        let commented = TimelineHistory::parse("0000000A.history", "# by hand\n 9 0/1\n").unwrap();
        assert_eq!(
            commented.forks,
            [Fork {
                parent: 9,
                at: lsn("0/1"),
                reason: String::new()
            }]
        );
    }

    #[test]
    fn what_is_no_history_is_refused() {
        for name in [
            "00000000.history",
            "2.history",
            "0000000a.history",
            "00000002",
            "00000002.history.gz",
        ] {
            assert_eq!(
                TimelineHistory::parse(name, ""),
                Err(MalformedHistory::Name(name.into()))
            );
        }
        for (content, line) in [
            ("1", 1),
            ("one 0/1 x", 1),
            ("1 x y", 1),
            ("\n4 0/1 x", 2),
            ("2 0/9 x\n1 0/9 x", 2),
            ("1 0/9 x\n2 0/8 x", 2),
        ] {
            let refused = TimelineHistory::parse("00000004.history", content).unwrap_err();
            assert!(
                matches!(refused, MalformedHistory::Line { line: at, .. } if at == line),
                "{content:?}: {refused}"
            );
        }
    }

    #[test]
    fn the_segment_of_a_switch_is_the_childs() {
        let line = Line::to(3, &[third()], SegmentSize::DEFAULT);
        let timelines: Vec<_> = (0..12).map(|number| line.segment(number).timeline).collect();
        assert_eq!(timelines, [1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3]);
        assert!(line.passes(1, lsn("0/3000148")) && !line.passes(1, lsn("0/3000149")));
        assert!(line.passes(3, lsn("9/0")) && !line.passes(4, lsn("0/1")));
    }

    #[test]
    fn lines_part_where_a_timeline_was_left() {
        let size = SegmentSize::DEFAULT;
        let other = TimelineHistory::parse("00000004.history", "1 0/2000000 x").unwrap();
        let histories = [third(), other];
        let [first, third, fourth, fifth] = [1, 3, 4, 5].map(|timeline| Line::to(timeline, &histories, size));
        assert_eq!(first.parts_from(&third), Some(lsn("0/3000148")));
        assert_eq!(fourth.parts_from(&third), Some(lsn("0/2000000")));
        assert_eq!(third.parts_from(&fourth), Some(lsn("0/2000000")));
        assert_eq!(fifth.parts_from(&third), Some(Lsn::default()));
        assert_eq!(third.parts_from(&third), None);
    }
}
