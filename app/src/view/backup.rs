//! Backups, and to which instants they let one return.

use quarterdeck_domain::{
    backup::{ExpectedState, Method, TimelineContinuity},
    health::Band,
};
use serde::{Deserialize, Serialize};

/// Everything about backups at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct BackupsView {
    /// When it was looked at, Unix ms.
    pub read_at_ms: i64,
    /// What it comes to.
    pub verdict: RecoverabilityVerdictView,
    /// How much would be lost.
    pub rpo: RpoView,
    /// How long it would take.
    pub rto: RtoView,
    /// To which instants one could return.
    pub map: MapView,
    /// Each method that is configured.
    pub methods: Vec<MethodView>,
    /// The archive of WAL; none where none is configured.
    pub archive: Option<ArchiveView>,
    /// How the runs of the last five weeks went, a row for each method that has a schedule.
    pub calendar: Vec<CalendarRowView>,
    /// The last runs, the newest first.
    pub runs: Vec<RunView>,
    /// The last restore drills, the newest first.
    pub drills: Vec<DrillView>,
    /// What is kept, the newest first.
    pub copies: Vec<CopyView>,
    /// Whether more is kept than is listed here.
    pub copies_left_out: usize,
    /// Files in the store that belong to no backup.
    pub others: Vec<String>,
    /// What does not work: places that can't be looked into, files that can't be read.
    pub troubles: Vec<String>,
}

/// What recoverability comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RecoverabilityVerdictView {
    /// How it is.
    pub band: Band,
    /// In a sentence: "Recoverable to 14:03:10 UTC, 42 s ago, in about 11 min."
    pub headline: String,
    /// What is wrong, or will be, a sentence each.
    pub why: Vec<String>,
}

/// How much would be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RpoView {
    /// How it is.
    pub band: Band,
    /// What has to be reached, ms.
    pub target_ms: i64,
    /// The newest commit that could be restored, Unix ms; none if it is not known.
    pub reachable_at_ms: Option<i64>,
    /// Age of that, ms.
    pub age_ms: Option<i64>,
    /// Of it, how long ago what would be lost began to be written, ms; 0 if nothing was written since. None if not known.
    pub exposed_ms: Option<i64>,
    /// What a promotion of the standby would lose, ms; none if there is none, or it is not known.
    pub standby_ms: Option<i64>,
    /// What it is made of, or why it is not known, a sentence each.
    pub notes: Vec<String>,
    /// The worst exposure of the last 30 days, ms, and when, Unix ms.
    pub worst: Option<(i64, i64)>,
    /// Exposure over the last day: Unix ms, and ms or nothing where it was not known.
    pub history: Vec<(i64, Option<i64>)>,
}

/// How long a recovery would take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RtoView {
    /// How it is.
    pub band: Band,
    /// What has to be reached, ms.
    pub target_ms: i64,
    /// What it would take today, people included, ms; none if no drill tells.
    pub estimate_ms: Option<i64>,
    /// What people need of it, ms.
    pub human_ms: i64,
    /// Shortest and longest of the last drills, ms.
    pub spread_ms: Option<(i64, i64)>,
    /// What it is made of, or why it is not known, a sentence each.
    pub notes: Vec<String>,
    /// What each drill measured: Unix ms, and ms.
    pub history: Vec<(i64, i64)>,
}

/// To which instants one could return: of the last 30 days at least, and of some to come. The page cuts its window out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MapView {
    /// Where the window begins, Unix ms.
    pub from_ms: i64,
    /// Where it ends.
    pub to_ms: i64,
    /// The present.
    pub now_ms: i64,
    /// Any instant of these.
    pub spans: Vec<MapSpanView>,
    /// Single instants.
    pub dots: Vec<MapDotView>,
    /// What can't be reached.
    pub holes: Vec<MapHoleView>,
}

/// A time of which any instant can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MapSpanView {
    /// From, Unix ms.
    pub from_ms: i64,
    /// To, Unix ms.
    pub to_ms: i64,
    /// Up to here it certainly reaches, Unix ms.
    pub certain_to_ms: i64,
    /// The timeline.
    pub timeline: u32,
    /// The base backups it is reached from, the oldest first.
    pub bases: Vec<String>,
    /// Whether it is of a timeline that was left.
    pub branch: bool,
}

/// A single instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MapDotView {
    /// The instant, Unix ms.
    pub at_ms: i64,
    /// The backup.
    pub backup: String,
    /// "dump" or "base backup".
    pub kind: String,
}

/// A time that can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MapHoleView {
    /// From, Unix ms.
    pub from_ms: i64,
    /// To, Unix ms; none while it grows.
    pub to_ms: Option<i64>,
    /// Why, in a sentence.
    pub cause: String,
    /// Whether it is still to come.
    pub ahead: bool,
}

/// A method of backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct MethodView {
    /// Which.
    pub method: Method,
    /// How it is.
    pub band: Band,
    /// Why, in a few words: "verified", "never made", "the last run failed".
    pub state: String,
    /// The instant to which its newest good copy leads back, Unix ms.
    pub newest_at_ms: Option<i64>,
    /// When it is made next, Unix ms; none for what goes on all the time.
    pub next_at_ms: Option<i64>,
    /// When it is made, in words: "0 2 * * * UTC", "continuously".
    pub schedule: String,
    /// How many days it is kept.
    pub keep_days: u32,
    /// How many copies there are.
    pub copies: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// The archive of WAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ArchiveView {
    /// Where it is.
    pub place: String,
    /// How many segments.
    pub segments: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// What is there and missing of each timeline.
    pub timelines: Vec<TimelineContinuity>,
    /// The gaps in words.
    pub gaps: Vec<String>,
    /// Segments that wait on the primary; none if that is not known.
    pub waiting: Option<usize>,
    /// What fails, in a sentence.
    pub failing: Option<String>,
    /// What is wrong with single files.
    pub findings: Vec<String>,
}

/// A run that made a backup, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RunView {
    /// Its id, a UUID.
    pub id: String,
    /// What it makes.
    pub method: Method,
    /// `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// Who wanted it, in words: "schedule", "operator", "a job elsewhere".
    pub by: String,
    /// Where it runs.
    pub host: String,
    /// When it began, Unix ms.
    pub began_at_ms: i64,
    /// When it ended, Unix ms.
    pub ended_at_ms: Option<i64>,
    /// What it does now.
    pub phase: String,
    /// Bytes done.
    pub done_bytes: u64,
    /// Of how many.
    pub total_bytes: Option<u64>,
    /// Bytes a second since it began, while it runs.
    pub rate_bytes_per_s: Option<u64>,
    /// Program and arguments.
    pub command: String,
    /// How the program ended.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub error: Option<String>,
    /// The copy it made.
    pub backup: Option<String>,
    /// Whether somebody asked that it ends.
    pub cancelling: bool,
}

/// How the runs of a method went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CalendarRowView {
    /// Which.
    pub method: Method,
    /// Each time of its schedule, the oldest first, as far as the end of this week.
    pub cells: Vec<CalendarCellView>,
}

/// A time at which a run was to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CalendarCellView {
    /// When, Unix ms.
    pub at_ms: i64,
    /// What became of it.
    pub state: ExpectedState,
    /// The run, a UUID.
    pub run: Option<String>,
}

/// A run with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RunPageView {
    /// When it was looked at, Unix ms.
    pub read_at_ms: i64,
    /// The run.
    pub run: RunView,
    /// What programs said, the end of it if it is long.
    pub log: String,
    /// How long runs of this method usually take, ms.
    pub usual_ms: Option<i64>,
    /// The copy that it made, while it is kept.
    pub copy: Option<CopyPageView>,
}

/// A copy with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CopyPageView {
    /// The copy.
    pub copy: CopyView,
    /// The store that it is in: `s3://bucket/prefix`.
    pub place: String,
    /// The run that made it, a UUID; none if the console does not know it.
    pub run: Option<String>,
    /// What it is of: name and value, "Server" and "primary, PostgreSQL 15.14".
    pub facts: Vec<(String, String)>,
    /// Its files.
    pub files: Vec<CopyFileView>,
    /// When it was verified, the newest first.
    pub verifications: Vec<VerificationView>,
    /// When it was restored to see whether that works, the newest first.
    pub drills: Vec<DrillView>,
}

/// One file of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CopyFileView {
    /// Its path in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum when it was made, hexadecimal.
    pub sha256: String,
}

/// A look at whether a copy is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct VerificationView {
    /// When it began, Unix ms.
    pub began_at_ms: i64,
    /// When it ended, Unix ms.
    pub ended_at_ms: i64,
    /// Who wanted it, in words.
    pub by: String,
    /// `good`, `damaged` or `unknown`.
    pub condition: String,
    /// What each check found, a sentence each.
    pub findings: Vec<String>,
}

/// A trial of restoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct DrillView {
    /// Its id, a UUID.
    pub id: String,
    /// The copy that it restores.
    pub backup: String,
    /// When it began, Unix ms.
    pub began_at_ms: i64,
    /// When it ended, Unix ms.
    pub ended_at_ms: Option<i64>,
    /// Who wanted it, in words.
    pub by: String,
    /// `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    pub state: String,
    /// The instant it went to, Unix ms; none for all there is.
    pub target_at_ms: Option<i64>,
    /// Its steps, and how long each took, ms.
    pub steps: Vec<(String, i64)>,
    /// What each check found, a sentence each.
    pub checks: Vec<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Whether somebody asked that it ends.
    pub cancelling: bool,
}

/// A copy that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct CopyView {
    /// Its name in the store.
    pub name: String,
    /// What it is.
    pub method: Method,
    /// The instant to which it leads back, Unix ms.
    pub instant_ms: i64,
    /// Its size.
    pub bytes: u64,
    /// How much larger than the one before, in percent of that.
    pub growth_percent: Option<i64>,
    /// `good`, `unverified` or `damaged`.
    pub condition: String,
    /// What is wrong with it.
    pub damage: Option<String>,
    /// When it was verified last, Unix ms.
    pub verified_at_ms: Option<i64>,
    /// Who pinned it and why.
    pub pinned: Option<(String, String)>,
}
