//! Backups: what is kept, when it is made, how long it stays, and to which instants it lets one return.

pub mod answer;
pub mod drill;
pub mod evidence;
pub mod forecast;
pub mod history;
pub mod manifest;
pub mod method;
pub mod recoverability;
#[cfg(test)]
mod recoverability_properties;
pub mod retention;
pub mod rpo;
pub mod rto;
pub mod schedule;
pub mod segment;
pub mod wal;

pub use answer::{Answer, Nearest, Why};
pub use evidence::{Base, Condition, Dump, Evidence};
pub use forecast::{BasesToCome, Forecast, Opening};
pub use history::{Fork, Line, MalformedHistory, Stretch, TimelineHistory};
pub use manifest::{Manifest, ManifestFile, Server, Source, TableFigures, backup_name};
pub use method::Method;
pub use recoverability::{Cause, Dot, DotKind, Hole, RecoverabilityMap, Span, SpanBase};
pub use retention::{
    Deletion, Retention, RetentionPlan, Stay, StaysBecause, Stored, StoredCopy, WalDeletion, WalRule,
    WalStaysBecause,
};
pub use rpo::{Exposure, RpoPoint, RpoState, Safe, Sample, StandbyReceived, WorstRpo};
pub use rto::{DrillDone, RestoreSize, Rto, RtoRules, RtoState, RtoTrend, RtoUnknown, StepEstimate};
pub use schedule::{Continuous, DoneRun, ExpectedRun, ExpectedState, MalformedSchedule, RunState, Schedule};
pub use segment::{MalformedSegmentName, SegmentName, SegmentSize, Timeline};
pub use wal::{
    FoundWal, Gap, Missing, Newest, Run, ServerWal, StoredSegment, TimelineContinuity, WalArchive,
};
