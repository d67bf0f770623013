//! What the map says of one instant: what leads there, or why nothing does.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    Cause, Dot, DotKind, Hole, RecoverabilityMap, SegmentSize, Span, SpanBase, Timeline, evidence::in_words,
};

/// What leads to an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Answer {
    /// A base backup, and WAL after it.
    Replay {
        /// The newest base backup before the instant.
        base: SpanBase,
        /// `recovery_target_timeline`.
        timeline: Timeline,
        /// Whether it is known that the WAL reaches so far: near the end of the archive it may not.
        certain: bool,
    },
    /// A backup that is of this very instant.
    Exactly {
        /// The backup.
        dot: Dot,
    },
    /// A timeline that was left: what is restored is not what came to be, but what was written by a server that went on beside.
    Branch {
        /// The newest base backup before the instant.
        base: SpanBase,
        /// `recovery_target_timeline`.
        timeline: Timeline,
        /// Why the timeline that is written now does not lead there.
        why: Why,
    },
    /// Nothing.
    Unreachable {
        /// Why.
        why: Why,
        /// The newest instant before it that can be reached.
        before: Option<Nearest>,
        /// The oldest one after it.
        after: Option<Nearest>,
    },
}

/// An instant that can be reached, near one that can't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Nearest {
    /// The instant.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether that is known; else it is the latest that it can be.
    pub certain: bool,
    /// The backup it is reached with.
    pub backup: String,
}

/// Why an instant can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Why {
    /// Nothing that could be restored is stored.
    Nothing,
    /// It is older than all that is stored.
    BeforeFirst {
        /// The first instant that can be reached.
        #[serde(with = "time::serde::rfc3339")]
        first: OffsetDateTime,
    },
    /// It lies in a hole.
    InHole {
        /// The hole.
        hole: Hole,
    },
    /// What was committed then has not been archived, as far as the archive was seen.
    PastArchive {
        /// How far what is archived reaches at most; without a base backup and WAL the backup before it.
        #[serde(with = "time::serde::rfc3339")]
        newest: OffsetDateTime,
    },
    /// It is still to come.
    Future,
}

impl RecoverabilityMap {
    /// What leads to an instant.
    #[must_use]
    pub fn answer(&self, instant: OffsetDateTime) -> Answer {
        if let Some((span, base)) = reached(&self.spans, instant) {
            let certain = instant <= span.certain_to;
            return Answer::Replay {
                base: base.clone(),
                timeline: span.timeline,
                certain,
            };
        }
        let at = self.dots.partition_point(|dot| dot.at < instant);
        let dots = self.dots[at..].iter().take_while(|dot| dot.at == instant);
        if let Some(dot) = dots.max_by_key(|dot| dot.condition == super::Condition::Good) {
            return Answer::Exactly { dot: dot.clone() };
        }
        let why = self.why(instant);
        match reached(&self.branches, instant) {
            Some((span, base)) => Answer::Branch {
                base: base.clone(),
                timeline: span.timeline,
                why,
            },
            None => Answer::Unreachable {
                why,
                before: self.before(instant),
                after: self.after(instant),
            },
        }
    }

    fn why(&self, instant: OffsetDateTime) -> Why {
        if instant > self.now {
            return Why::Future;
        }
        let hole = self
            .holes
            .iter()
            .find(|hole| hole.from <= instant && hole.to.is_none_or(|to| instant < to));
        let first = self.first();
        let span = self.newest_span().map(|span| span.to).filter(|to| *to < instant);
        let newest = span.or_else(|| self.before(instant).map(|nearest| nearest.at));
        match (hole, first, newest) {
            (Some(hole), ..) => Why::InHole { hole: hole.clone() },
            (None, Some(first), _) if instant < first => Why::BeforeFirst { first },
            (None, _, Some(newest)) => Why::PastArchive { newest },
            (None, _, None) => Why::Nothing,
        }
    }

    /// The newest instant that can be reached: what there would be if all burned down now.
    #[must_use]
    pub fn newest(&self) -> Option<Nearest> {
        self.before(self.now + time::Duration::NANOSECOND)
    }

    fn before(&self, instant: OffsetDateTime) -> Option<Nearest> {
        let spans = self
            .spans
            .iter()
            .filter(|span| span.to < instant)
            .filter_map(|span| {
                let backup = span.bases.last()?.id.clone();
                Some(Nearest {
                    at: span.to,
                    certain: span.certain_to == span.to,
                    backup,
                })
            });
        let dot = self.dots[..self.dots.partition_point(|dot| dot.at < instant)]
            .last()
            .map(of_dot);
        spans.chain(dot).max_by_key(|nearest| nearest.at)
    }

    fn after(&self, instant: OffsetDateTime) -> Option<Nearest> {
        let spans = self
            .spans
            .iter()
            .filter(|span| span.from > instant)
            .filter_map(|span| {
                let base = span.bases.first()?;
                Some(Nearest {
                    at: base.from,
                    certain: true,
                    backup: base.id.clone(),
                })
            });
        let dot = self.dots[self.dots.partition_point(|dot| dot.at <= instant)..]
            .first()
            .map(of_dot);
        spans.chain(dot).min_by_key(|nearest| nearest.at)
    }
}

fn of_dot(dot: &Dot) -> Nearest {
    Nearest {
        at: dot.at,
        certain: true,
        backup: dot.id.clone(),
    }
}

/// The span in which an instant lies, and the base backup from which least has to be replayed; of two spans the one that is
/// certain to reach it.
fn reached(spans: &[Span], instant: OffsetDateTime) -> Option<(&Span, &SpanBase)> {
    let span = spans
        .iter()
        .filter(|span| span.covers(instant))
        .max_by_key(|span| (instant <= span.certain_to, span.from))?;
    let base = span.bases[..span.bases.partition_point(|base| base.from <= instant)].last()?;
    Some((span, base))
}

impl Cause {
    /// In words, as a sentence.
    #[must_use]
    pub fn words(&self, size: SegmentSize) -> String {
        match self {
            Self::NoBase => "No base backup is older.".to_owned(),
            Self::NoHistory { timeline } => format!(
                "The history of timeline {timeline}, {timeline:08X}.history, is not stored: recovery can't get there from the older base backups."
            ),
            Self::BaseDamaged { base } => {
                format!("The base backup {base} is damaged, and no older one leads there.")
            }
            Self::WalPruned { base, needs } => format!(
                "The base backup {base} needs WAL from segment {} on, which is older than all that is kept.",
                needs.file_name(size)
            ),
            Self::SegmentsMissing { base, gaps } if gaps.is_empty() => {
                format!("WAL does not lead there from the base backup {base}.")
            }
            Self::SegmentsMissing { base, gaps } => {
                let gaps: Vec<_> = gaps.iter().map(|gap| gap.words(size)).collect();
                format!(
                    "After the base backup {base} WAL is missing: {}.",
                    gaps.join("; ")
                )
            }
        }
    }
}

impl Why {
    /// In words, as sentences about `instant`.
    #[must_use]
    pub fn words(&self, instant: OffsetDateTime, size: SegmentSize) -> String {
        let at = in_words(instant);
        match self {
            Self::Nothing => format!("{at} can't be reached: nothing that could be restored is stored."),
            Self::BeforeFirst { first } => {
                format!(
                    "{at} is before all that is stored: the first instant that can be reached is {}.",
                    in_words(*first)
                )
            }
            Self::InHole { hole } => {
                let end = hole.to.map_or_else(
                    || "which is still open".to_owned(),
                    |to| format!("until {}", in_words(to)),
                );
                format!(
                    "{at} lies in a hole from {}, {end}. {}",
                    in_words(hole.from),
                    hole.cause.words(size)
                )
            }
            Self::PastArchive { newest } => format!(
                "{at} is past the end of the archive, which reaches to {} at the latest. A server that is told to recover to a later one starts and then dies.",
                in_words(*newest)
            ),
            Self::Future => format!("{at} is still to come."),
        }
    }
}

impl Answer {
    /// Whether something leads there on the timeline that is written now.
    #[must_use]
    pub const fn reachable(&self) -> bool {
        match self {
            Self::Replay { .. } | Self::Exactly { .. } => true,
            Self::Branch { .. } | Self::Unreachable { .. } => false,
        }
    }

    /// In words, as sentences about `instant`.
    #[must_use]
    pub fn words(&self, instant: OffsetDateTime, size: SegmentSize) -> String {
        let at = in_words(instant);
        match self {
            Self::Replay {
                base,
                timeline,
                certain,
            } => {
                let perhaps = if *certain {
                    ""
                } else {
                    ", if the last archived segments reach so far, which was not looked up"
                };
                format!(
                    "{at} can be reached from the base backup {} with WAL of timeline {timeline}{perhaps}.",
                    base.id
                )
            }
            Self::Exactly { dot } => match dot.kind {
                DotKind::Base => format!("{at} is the end of the base backup {}.", dot.id),
                DotKind::Dump => format!("{at} is the snapshot of the dump {}.", dot.id),
            },
            Self::Branch { base, timeline, why } => format!(
                "{} The base backup {} leads there on timeline {timeline}, which was left: it has what a server wrote that went on beside.",
                why.words(instant, size),
                base.id
            ),
            Self::Unreachable { why, before, after } => {
                let mut words = why.words(instant, size);
                if let Some(before) = before {
                    let at_most = if before.certain { "" } else { " at the latest" };
                    words += &format!(
                        " Before it {}{at_most} can be reached ({}).",
                        in_words(before.at),
                        before.backup
                    );
                }
                if let Some(after) = after {
                    words += &format!(
                        " After it {} can be reached ({}).",
                        in_words(after.at),
                        after.backup
                    );
                }
                words
            }
        }
    }
}
