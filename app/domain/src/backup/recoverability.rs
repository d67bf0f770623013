//! The map of recoverability: to which instants the database can be restored, and why not to the others.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Base, Condition, Evidence, Gap, Line, Missing, Run, SegmentName, Timeline, WalArchive};
use crate::cluster::Lsn;

/// A base backup from which a span can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpanBase {
    /// The base backup.
    pub id: String,
    /// When it was finished: instants from here on can be reached from it.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// What is known of its content.
    pub condition: Condition,
}

/// A time to any instant of which the database can be restored: base backups, and WAL without a break after the first of them.
///
/// Its end is reached by replaying all there is. A recovery target at or after the last commit makes the server give up,
/// as it waits for a commit that lies after the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Span {
    /// `recovery_target_timeline`.
    pub timeline: Timeline,
    /// When the first of its base backups was finished.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// Up to here it certainly reaches.
    #[serde(with = "time::serde::rfc3339")]
    pub certain_to: OffsetDateTime,
    /// Up to here it reaches at most; the same as `certain_to` where the last commit was looked up.
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
    /// The last segment.
    pub last: SegmentName,
    /// Where that ends.
    pub end: Lsn,
    /// Its base backups, the oldest first. From the newest one before an instant least has to be replayed.
    pub bases: Vec<SpanBase>,
}

impl Span {
    /// Whether an instant lies in it.
    #[must_use]
    pub fn covers(&self, instant: OffsetDateTime) -> bool {
        self.from <= instant && instant <= self.to
    }
}

/// What can be restored to one instant only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DotKind {
    /// A base backup that carries the WAL it needs, while the WAL after it is gone.
    Base,
    /// A dump.
    Dump,
}

/// A single instant to which the database can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dot {
    /// The instant.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What of.
    pub kind: DotKind,
    /// Names it.
    pub id: String,
    /// What is known of its content.
    pub condition: Condition,
}

/// Why no instant of a time can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Cause {
    /// No base backup is older than it.
    NoBase,
    /// The base backups that are older are of other timelines, and the history that would tell how to get from them to this
    /// one is not stored.
    NoHistory {
        /// The timeline whose history is missing.
        timeline: Timeline,
    },
    /// The base backup before it is damaged, and WAL does not lead there from an older one.
    BaseDamaged {
        /// The base backup.
        base: String,
    },
    /// WAL that the base backup before it needs is older than all that is kept.
    WalPruned {
        /// The base backup.
        base: String,
        /// The first segment it needs that is gone.
        needs: SegmentName,
    },
    /// WAL between the base backup before it and this time is missing.
    SegmentsMissing {
        /// The base backup.
        base: String,
        /// What is missing first.
        gaps: Vec<Gap>,
    },
}

/// A time of which no instant can be reached, but for dots in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hole {
    /// From when on.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// Until when: reachable again from there on. None while it grows.
    #[serde(with = "time::serde::rfc3339::option")]
    pub to: Option<OffsetDateTime>,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// To which instants the database can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoverabilityMap {
    /// The present, of which it is.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
    /// The timeline that is written now, to which all but `branches` belongs. None if there is no WAL and no base backup.
    pub timeline: Option<Timeline>,
    /// How far WAL of that timeline can be brought back: to the end of a span, or to the stop of a base backup by itself.
    pub end: Option<Lsn>,
    /// Any instant of these, the oldest first.
    pub spans: Vec<Span>,
    /// Single instants, the oldest first: base backups of the timeline that is written now or of those it came from, and dumps.
    pub dots: Vec<Dot>,
    /// What is between, before and after the spans and can't be reached, the oldest first. The time after the last span is
    /// none while nothing is missing but what has not been archived yet.
    pub holes: Vec<Hole>,
    /// Any instant of these, on timelines that were left: what was written there after the switch is in no other.
    pub branches: Vec<Span>,
}

/// Where replay from a base backup comes to an end.
pub(super) struct Replay {
    /// The number of the first segment that it needs from the archive.
    pub first: u64,
    /// The run that it replays; none if what it needs first is missing.
    pub run: Option<usize>,
    /// The number of the first segment that is not there.
    pub missing: u64,
}

/// A line with what is stored of it.
pub(super) struct Followed<'a> {
    wal: &'a WalArchive,
    pub line: Line,
    pub runs: Vec<Run>,
    /// Those of the line, by their end.
    pub bases: Vec<&'a Base>,
}

impl<'a> Followed<'a> {
    pub fn new(evidence: &Evidence<'a>, line: Line) -> Self {
        let mut bases: Vec<_> = evidence
            .bases
            .iter()
            .filter(|base| line.passes(base.timeline, base.stop))
            .collect();
        bases.sort_by_key(|base| (base.ended_at, base.stop));
        Self {
            wal: evidence.wal,
            runs: evidence.wal.runs(&line),
            line,
            bases,
        }
    }

    pub fn replay(&self, base: &Base) -> Replay {
        let size = self.wal.size();
        let consistent = size.number_of(Lsn::from_bytes(base.stop.bytes().saturating_sub(1)));
        let (first, last) = if base.own_wal {
            (size.number_of(base.stop), 0)
        } else {
            (size.number_of(base.start), consistent)
        };
        let at = self.runs.partition_point(|run| run.last.number < first);
        match self.runs.get(at) {
            Some(run) if run.first.number <= first => Replay {
                first,
                run: (run.last.number >= last).then_some(at),
                missing: run.last.number + 1,
            },
            Some(_) | None => Replay {
                first,
                run: None,
                missing: first,
            },
        }
    }

    fn spans(&self, now: OffsetDateTime) -> Vec<Span> {
        let size = self.wal.size();
        let mut of_run: Vec<Vec<&Base>> = vec![Vec::new(); self.runs.len()];
        for base in self.bases.iter().filter(|base| base.condition.usable()) {
            if let Some(run) = self.replay(base).run {
                of_run[run].push(base);
            }
        }
        // What lies before the start of a base backup was committed before that was begun.
        let mut begun: Vec<_> = self
            .bases
            .iter()
            .map(|base| (base.start, base.begun_at))
            .collect();
        begun.sort_unstable();
        let mut earliest = None;
        for (_, at) in begun.iter_mut().rev() {
            *at = earliest.map_or(*at, |earliest: OffsetDateTime| earliest.min(*at));
            earliest = Some(*at);
        }
        let mut spans = Vec::new();
        for (run, bases) in self.runs.iter().zip(of_run) {
            let (Some(from), Some(newest)) = (bases.first().map(|base| base.ended_at), bases.last()) else {
                continue;
            };
            let end = size.start_of(run.last.number + 1);
            let certain_to = newest.ended_at.max(run.newest.certain.unwrap_or(from));
            let next = begun
                .get(begun.partition_point(|(start, _)| *start < end))
                .map_or(now, |(_, at)| *at);
            spans.push(Span {
                timeline: self.line.timeline,
                from,
                certain_to,
                to: certain_to.max(run.newest.at_most.min(next).min(now)),
                last: run.last,
                end,
                bases: bases
                    .into_iter()
                    .map(|base| SpanBase {
                        id: base.id.clone(),
                        from: base.ended_at,
                        condition: base.condition,
                    })
                    .collect(),
            });
        }
        spans.sort_by_key(|span| (span.from, span.to));
        spans
    }

    /// What stops replay at a segment: none while that is merely the end of the archive.
    pub fn blocked(&self, base: &Base, missing: u64) -> Option<Cause> {
        let next = self.runs.partition_point(|run| run.first.number < missing);
        let gaps = match self.runs.get(next) {
            Some(_) if next == 0 => {
                return Some(Cause::WalPruned {
                    base: base.id.clone(),
                    needs: self.line.segment(missing),
                });
            }
            Some(run) => self.wal.missing(
                &self.line,
                missing,
                run.first.number - 1,
                Some(run.first_stored_at),
            ),
            None => {
                let server = self
                    .wal
                    .server()
                    .filter(|server| server.timeline == self.line.timeline)?;
                let writes = self.wal.size().number_of(server.position);
                let last = writes.checked_sub(1).filter(|last| *last >= missing)?;
                let gaps = self.wal.missing(&self.line, missing, last, None);
                if gaps.iter().all(|gap| gap.missing != Missing::Lost) {
                    return None;
                }
                gaps
            }
        };
        Some(Cause::SegmentsMissing {
            base: base.id.clone(),
            gaps,
        })
    }

    /// Adds the holes of a time in which there is no span.
    fn holes(
        &self,
        evidence: &Evidence<'_>,
        from: OffsetDateTime,
        to: Option<OffsetDateTime>,
        holes: &mut Vec<Hole>,
    ) {
        let mut push = |from: OffsetDateTime, to: Option<OffsetDateTime>, cause: Cause| {
            if to.is_some_and(|to| to <= from) {
                return;
            }
            match holes.last_mut() {
                Some(hole) if hole.to == Some(from) && hole.cause == cause => hole.to = to,
                Some(_) | None => holes.push(Hole { from, to, cause }),
            }
        };
        let first = self.bases.partition_point(|base| base.ended_at <= from);
        let end = to.map_or(self.bases.len(), |to| {
            self.bases.partition_point(|base| base.ended_at < to)
        });
        let mut from = from;
        for next in first..=end.max(first) {
            let until = if next < end {
                Some(self.bases[next].ended_at)
            } else {
                to
            };
            match next.checked_sub(1).map(|at| self.bases[at]) {
                None => push(from, until, self.no_base(evidence, until)),
                Some(base) => {
                    let replay = self.replay(base);
                    if let Some(run) = replay.run.filter(|_| !base.condition.usable()) {
                        let reach = self.runs[run].newest.at_most.max(from);
                        let reach = until.map_or(reach, |until| until.min(reach));
                        push(
                            from,
                            Some(reach),
                            Cause::BaseDamaged {
                                base: base.id.clone(),
                            },
                        );
                        from = reach;
                    }
                    match self.blocked(base, replay.missing) {
                        Some(cause) => push(from, until, cause),
                        // After it the archive just ends; before a later span that would be a base backup without a place in it.
                        None if to.is_some() => {
                            push(
                                from,
                                until,
                                Cause::SegmentsMissing {
                                    base: base.id.clone(),
                                    gaps: Vec::new(),
                                },
                            );
                        }
                        None => {}
                    }
                }
            }
            from = until.unwrap_or(from);
        }
    }

    fn no_base(&self, evidence: &Evidence<'_>, until: Option<OffsetDateTime>) -> Cause {
        let timeline = self.line.timeline;
        let untold = timeline > 1 && self.line.stretches.len() == 1;
        let older = evidence.bases.iter().any(|base| {
            base.timeline < timeline
                && base.condition.usable()
                && until.is_none_or(|until| base.ended_at < until)
        });
        if untold && older {
            Cause::NoHistory { timeline }
        } else {
            Cause::NoBase
        }
    }
}

impl RecoverabilityMap {
    /// Makes it.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let Evidence {
            bases,
            dumps,
            wal,
            now,
        } = *evidence;
        let timeline = wal
            .current()
            .or_else(|| bases.iter().map(|base| base.timeline).max());
        let mut map = Self {
            now,
            timeline,
            end: None,
            spans: Vec::new(),
            dots: Vec::new(),
            holes: Vec::new(),
            branches: Vec::new(),
        };
        let followed = timeline.map(|timeline| Followed::new(evidence, wal.line(timeline)));
        if let Some(followed) = &followed {
            map.spans = followed.spans(now);
            let alone = followed
                .bases
                .iter()
                .filter(|base| base.own_wal && base.condition.usable());
            let alone = alone.map(|base| base.stop);
            map.end = map.spans.iter().map(|span| span.end).chain(alone).max();
            map.branches = branches(evidence, followed);
        }
        map.dots = dots(evidence, followed.as_ref());
        if let Some(followed) = &followed {
            map.holes = map.holes_of(evidence, followed);
        } else if let Some(first) = dumps.iter().map(|dump| dump.snapshot_at).min() {
            map.holes = vec![Hole {
                from: first,
                to: None,
                cause: Cause::NoBase,
            }];
        }
        map
    }

    fn holes_of(&self, evidence: &Evidence<'_>, followed: &Followed<'_>) -> Vec<Hole> {
        let firsts = [
            self.dots.first().map(|dot| dot.at),
            self.spans.first().map(|span| span.from),
            followed.runs.first().map(|run| run.first_stored_at),
            followed.bases.first().map(|base| base.ended_at),
        ];
        let mut holes = Vec::new();
        let Some(mut from) = firsts.into_iter().flatten().min() else {
            return holes;
        };
        for span in &self.spans {
            if from < span.from {
                followed.holes(evidence, from, Some(span.from), &mut holes);
            }
            from = from.max(span.to);
        }
        followed.holes(evidence, from, None, &mut holes);
        holes
    }

    /// The first instant that can be reached.
    #[must_use]
    pub fn first(&self) -> Option<OffsetDateTime> {
        let span = self.spans.first().map(|span| span.from);
        span.into_iter().chain(self.dots.first().map(|dot| dot.at)).min()
    }

    /// The newest instant of which there is a dump.
    #[must_use]
    pub fn newest_dump_at(&self) -> Option<OffsetDateTime> {
        self.dots
            .iter()
            .rfind(|dot| dot.kind == DotKind::Dump)
            .map(|dot| dot.at)
    }

    /// The span that reaches furthest into the present, on the timeline that is written now.
    #[must_use]
    pub fn newest_span(&self) -> Option<&Span> {
        self.spans.iter().max_by_key(|span| span.to)
    }
}

/// Spans on timelines that were left, with what is on them alone.
fn branches(evidence: &Evidence<'_>, current: &Followed<'_>) -> Vec<Span> {
    let wal = evidence.wal;
    let mut timelines = wal.timelines();
    timelines.extend(evidence.bases.iter().map(|base| base.timeline));
    timelines.sort_unstable();
    timelines.dedup();
    let lines: Vec<_> = timelines.iter().map(|timeline| wal.line(*timeline)).collect();
    let mut spans = Vec::new();
    for line in lines.iter().filter(|line| line.timeline != current.line.timeline) {
        let followed = Followed::new(evidence, line.clone());
        let own = followed
            .bases
            .iter()
            .filter(|base| base.timeline == line.timeline);
        spans.extend(
            own.filter(|base| base.own_wal && base.condition.usable())
                .filter(|base| !current.line.passes(base.timeline, base.stop))
                .filter(|base| followed.replay(base).run.is_none())
                .map(|base| alone(base, wal)),
        );
        // Up to here all of it is on a line that leads further.
        let shared = lines
            .iter()
            .filter(|other| other.timeline == current.line.timeline || other.stretch(line.timeline).is_some())
            .filter(|other| other.timeline != line.timeline)
            .filter_map(|other| line.parts_from(other))
            .max()
            .map_or(0, |parts| wal.size().number_of(parts));
        if followed.runs.last().is_some_and(|run| run.last.number >= shared) {
            spans.extend(
                followed
                    .spans(evidence.now)
                    .into_iter()
                    .filter(|span| span.last.number >= shared),
            );
        }
    }
    spans.sort_by_key(|span| (span.from, span.timeline));
    spans
}

/// The end of a base backup that has no WAL but its own.
fn alone(base: &Base, wal: &WalArchive) -> Span {
    Span {
        timeline: base.timeline,
        from: base.ended_at,
        certain_to: base.ended_at,
        to: base.ended_at,
        last: SegmentName {
            timeline: base.timeline,
            number: wal
                .size()
                .number_of(Lsn::from_bytes(base.stop.bytes().saturating_sub(1))),
        },
        end: base.stop,
        bases: vec![SpanBase {
            id: base.id.clone(),
            from: base.ended_at,
            condition: base.condition,
        }],
    }
}

fn dots(evidence: &Evidence<'_>, followed: Option<&Followed<'_>>) -> Vec<Dot> {
    let bases = followed
        .into_iter()
        .flat_map(|followed| {
            followed
                .bases
                .iter()
                .filter(|base| followed.replay(base).run.is_none())
        })
        .filter(|base| base.own_wal && base.condition.usable())
        .map(|base| Dot {
            at: base.ended_at,
            kind: DotKind::Base,
            id: base.id.clone(),
            condition: base.condition,
        });
    let dumps = evidence
        .dumps
        .iter()
        .filter(|dump| dump.condition.usable())
        .map(|dump| Dot {
            at: dump.snapshot_at,
            kind: DotKind::Dump,
            id: dump.id.clone(),
            condition: dump.condition,
        });
    let mut dots: Vec<_> = bases.chain(dumps).collect();
    dots.sort_by(|a, b| (a.at, a.kind, &a.id).cmp(&(b.at, b.kind, &b.id)));
    dots
}
