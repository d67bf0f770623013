//! What people are told besides in the console: by webhook, and by e-mail those whom it concerns. A notice goes into the
//! outbox in the transaction of what it tells; [`workers::notifier`](crate::workers::notifier) sends it.

mod wording;

use quarterdeck_domain::{
    access::Role,
    action::{ActionKind, Risk},
    maintenance::{Mode, Stage},
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::{self, DbError, actions::Addressed};

pub use wording::Wording;

/// By which ways people are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Channels {
    /// One message to the one receiver.
    pub webhook: bool,
    /// One message to each person whom it concerns.
    pub email: bool,
}

/// What people are told. As JSON it is what the webhook's receiver gets; `topic` tells them apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Notice {
    /// Something happened to a guarded action.
    Action(ActionNotice),
    /// The expected end of a maintenance is near, or over.
    MaintenanceEnd(MaintenanceEndNotice),
    /// Maintenance mode was changed by other means than this console.
    MaintenanceElsewhere(MaintenanceElsewhereNotice),
    /// Several nodes of the watched database take writes at once.
    SplitBrain(SplitBrainNotice),
}

/// What happened to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as the events of the audit log of the same names")]
pub enum ActionTopic {
    Requested,
    Vote,
    Approved,
    Rejected,
    Expired,
    Cancelled,
    Started,
    StopAsked,
    Succeeded,
    Failed,
    OutcomeUnknown,
    Reviewed,
}

impl ActionTopic {
    /// The stable name, as in the outbox and in messages to programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Vote => "vote",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Started => "started",
            Self::StopAsked => "stop_asked",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Reviewed => "reviewed",
        }
    }
}

/// Something happened to a guarded action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionNotice {
    /// What.
    pub topic: ActionTopic,
    /// Its id.
    pub id: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// Its kind.
    pub kind: ActionKind,
    /// What is acted on, in few words.
    pub what: String,
    /// How much can go wrong.
    pub risk: Risk,
    /// Who asked for it.
    pub requester: String,
    /// Why.
    pub reason: String,
    /// The state that it is in now.
    pub state: String,
    /// How it came to that state, in a sentence; none while it is open.
    pub outcome: Option<String>,
    /// Whether it goes without approvals.
    pub break_glass: bool,
    /// How many people have to agree.
    pub approvals: u8,
    /// Until when it can be agreed to and started.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// How far a maintenance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenanceEndTopic {
    /// The expected end is near.
    #[serde(rename = "maintenance_nears_end")]
    NearsEnd,
    /// The expected end is over, and the mode is still on.
    #[serde(rename = "maintenance_overrun")]
    Overrun,
}

impl MaintenanceEndTopic {
    /// The topic of a stage, if people are told of it.
    pub const fn of(stage: Stage) -> Option<Self> {
        match stage {
            Stage::InTime => None,
            Stage::NearsEnd => Some(Self::NearsEnd),
            Stage::Overrun => Some(Self::Overrun),
        }
    }

    /// The stable name, as in the outbox and in messages to programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NearsEnd => "maintenance_nears_end",
            Self::Overrun => "maintenance_overrun",
        }
    }
}

/// The expected end of a maintenance is near, or over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceEndNotice {
    /// Which of the two.
    pub topic: MaintenanceEndTopic,
    /// The action that switched it on.
    pub id: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// Who switched it on.
    pub requester: String,
    /// Why.
    pub reason: String,
    /// When it was to be over.
    #[serde(with = "time::serde::rfc3339")]
    pub expected_end: OffsetDateTime,
}

/// The topic of [`MaintenanceElsewhereNotice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenanceElsewhereTopic {
    /// The only one.
    #[serde(rename = "maintenance_changed_elsewhere")]
    ChangedElsewhere,
}

/// Maintenance mode was changed by other means than this console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaintenanceElsewhereNotice {
    /// Always the same.
    pub topic: MaintenanceElsewhereTopic,
    /// How it was.
    pub was: Mode,
    /// How it is.
    pub now: Mode,
    /// Where the driver read that, and what stands there.
    pub places: Vec<String>,
    /// What the probes see.
    pub seen_from_outside: Vec<String>,
    /// The number of the action that had switched the mode on, if it was on.
    pub during_action: Option<i64>,
}

/// The topic of [`SplitBrainNotice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SplitBrainTopic {
    /// The only one.
    #[serde(rename = "split_brain")]
    SplitBrain,
}

/// Several nodes of the watched database take writes at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitBrainNotice {
    /// Always the same.
    pub topic: SplitBrainTopic,
    /// The nodes, by their names in the configuration.
    pub primaries: Vec<String>,
    /// When that was seen first.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

impl Notice {
    /// The stable name of what it tells.
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Action(notice) => notice.topic.as_str(),
            Self::MaintenanceEnd(notice) => notice.topic.as_str(),
            Self::MaintenanceElsewhere(_) => "maintenance_changed_elsewhere",
            Self::SplitBrain(_) => "split_brain",
        }
    }

    /// The action that it belongs to.
    pub const fn action(&self) -> Option<Uuid> {
        match self {
            Self::Action(notice) => Some(notice.id),
            Self::MaintenanceEnd(notice) => Some(notice.id),
            Self::MaintenanceElsewhere(_) | Self::SplitBrain(_) => None,
        }
    }
}

/// Whom a notice concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Everybody with one of these roles.
    pub roles: Vec<Role>,
    /// These accounts.
    pub accounts: Vec<Uuid>,
    /// But not the one who did it, nor another account of theirs.
    pub except: Option<Uuid>,
}

/// Puts a notice into the outbox, in the transaction of what it tells.
///
/// # Errors
/// [`DbError`].
pub async fn enqueue(
    connection: &mut PgConnection,
    channels: Channels,
    notice: &Notice,
    audience: &Audience,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let mut addressed = Vec::new();
    if channels.webhook {
        addressed.push(Addressed::Webhook);
    }
    if channels.email {
        let Audience {
            roles,
            accounts,
            except,
        } = audience;
        let people = db::users::with_email(&mut *connection, roles, accounts, *except).await?;
        addressed.extend(people.into_iter().map(Addressed::Email));
    }
    let payload = serde_json::to_value(notice).map_err(|error| DbError::Unreadable(error.to_string()))?;
    db::actions::enqueue(
        connection,
        notice.action(),
        notice.topic(),
        &addressed,
        &payload,
        now,
    )
    .await
}
