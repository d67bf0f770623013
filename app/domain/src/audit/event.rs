//! One entry of the audit log, and its one canonical text.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::detail::{self, Detail, DetailError};

/// The version of the event's text form, written into each text as `v`.
pub const VERSION: u8 = 1;

/// The longest canonical text of one event, in bytes. The database holds the same limit.
pub const MAX_CANONICAL_BYTES: usize = 65_536;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Actor {
    /// A signed-in person.
    User {
        /// The account's id.
        id: Uuid,
        /// The account's user name when it acted.
        name: String,
    },
    /// Somebody at the console's command line, by the name of their account on that machine.
    CommandLine {
        /// `cli:` and the operating system's user name.
        name: String,
    },
    /// The console itself.
    System,
    /// Nobody that is known: a request without a valid session.
    Anonymous,
}

impl Actor {
    /// The kind, as written in the text and in the column `actor_kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => ActorKind::User,
            Self::CommandLine { .. } => ActorKind::CommandLine,
            Self::System => ActorKind::System,
            Self::Anonymous => ActorKind::Anonymous,
        }
        .as_str()
    }

    /// The account's id, where there is one.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::User { id, .. } => Some(*id),
            Self::CommandLine { .. } | Self::System | Self::Anonymous => None,
        }
    }

    /// The actor's name, where there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } | Self::CommandLine { name } => Some(name),
            Self::System | Self::Anonymous => None,
        }
    }
}

/// What kind of actor somebody is; see [`Actor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the variant of `Actor` of the same name")]
pub enum ActorKind {
    User,
    CommandLine,
    System,
    Anonymous,
}

impl ActorKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::User, Self::CommandLine, Self::System, Self::Anonymous];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::CommandLine => "command_line",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Declares [`Action`] with the stable name of each action in one place.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What was done. The names are part of the record: they never change and are never used again for
        /// something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable dotted name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

actions! {
    /// Somebody signed in.
    SessionOpened = "session.opened",
    /// A sign-in was refused.
    SessionRefused = "session.refused",
    /// Somebody signed out.
    SessionClosed = "session.closed",
    /// A session was ended from another session, by an administrator or at the command line.
    SessionRevoked = "session.revoked",
    /// A refresh token came back after it had been exchanged: somebody else may hold a copy.
    SessionReuseDetected = "session.reuse_detected",
    /// An account was made.
    AccountCreated = "account.created",
    /// An account got a new password.
    AccountPasswordChanged = "account.password_changed",
    /// An account got another role.
    AccountRoleChanged = "account.role_changed",
    /// The person of an account is written to at another e-mail address, or no more.
    AccountEmailChanged = "account.email_changed",
    /// An account was disabled.
    AccountDisabled = "account.disabled",
    /// A disabled account was enabled again.
    AccountEnabled = "account.enabled",
    /// A request was refused for want of a permission, or because it came from another site.
    AccessRefused = "access.refused",
    /// A new signing key came into use.
    SigningKeyRotated = "signing_key.rotated",
    /// The audit log was exported to a file.
    AuditExported = "audit.exported",
    /// A guarded action was asked for.
    ActionRequested = "action.requested",
    /// Somebody agreed to a guarded action.
    ActionApproved = "action.approved",
    /// Somebody said no to a guarded action.
    ActionRejected = "action.rejected",
    /// A guarded action was taken back.
    ActionCancelled = "action.cancelled",
    /// A guarded action was not started in time.
    ActionExpired = "action.expired",
    /// A guarded action was started: the intent, recorded before anything is done.
    ActionStarted = "action.started",
    /// Somebody wants a guarded action stopped before its next step.
    ActionStopAsked = "action.stop_asked",
    /// A guarded action was done, and seen to be done.
    ActionSucceeded = "action.succeeded",
    /// A guarded action was not done, or not wholly.
    ActionFailed = "action.failed",
    /// Nobody knows whether a step of a guarded action took effect.
    ActionOutcomeUnknown = "action.outcome_unknown",
    /// An approver has looked at an action that was done without approvals.
    ActionReviewed = "action.reviewed",
    /// A step of a guarded action began while the database was away.
    ActionStepBegun = "action.step_begun",
    /// A step of a guarded action ended while the database was away.
    ActionStepEnded = "action.step_ended",
    /// A console began a local journal, for what it does while the database is away.
    JournalOpened = "journal.opened",
    /// Maintenance mode was changed by other means than this console, which noticed it.
    MaintenanceChangedElsewhere = "maintenance.changed_elsewhere",
    /// A maintenance lasts longer than was expected.
    MaintenanceOverran = "maintenance.overran",
    /// A node that had been the primary came back taking writes, and was kept from it.
    ClusterNodeFenced = "cluster.node_fenced",
    /// It was measured what only an old primary has: what a failover has lost.
    ClusterLossMeasured = "cluster.loss_measured",
    /// An old primary need not be kept from writes any more.
    ClusterFenceLifted = "cluster.fence_lifted",
    /// Several nodes were seen taking writes at once.
    ClusterSplit = "cluster.split",
    /// Several nodes took writes at once, and that is over.
    ClusterWhole = "cluster.whole",
    /// A restore drill began.
    DrillBegun = "drill.begun",
    /// A restore drill came to its end, whatever that was.
    DrillEnded = "drill.ended",
    /// Somebody wants a restore drill ended.
    DrillCancelled = "drill.cancel_asked",
    /// A backup, or WAL, was deleted: the intent, recorded before it is.
    BackupDeleted = "backup.deleted",
    /// Somebody pinned a backup, so that no retention deletes it.
    BackupPinned = "backup.pinned",
    /// Somebody let a pinned backup go.
    BackupUnpinned = "backup.unpinned",
    /// Somebody had a backup made now.
    BackupRunStarted = "backup.run_started",
    /// A backup was made, read to its end and stored.
    BackupRunSucceeded = "backup.run_succeeded",
    /// A backup could not be made.
    BackupRunFailed = "backup.run_failed",
    /// A backup that was being made was given up because somebody wanted that.
    BackupRunCancelled = "backup.run_cancelled",
    /// The console that made a backup was not heard of any more.
    BackupRunLost = "backup.run_lost",
    /// A job elsewhere told how its backup went.
    BackupRunReported = "backup.run_reported",
    /// A kept backup was read again and is not what it was.
    BackupFoundDamaged = "backup.found_damaged",
    /// Another policy for guarded actions came into force.
    PolicyChanged = "policy.changed",
    /// Somebody made an API token.
    ApiTokenCreated = "api_token.created",
    /// Somebody revoked an API token.
    ApiTokenRevoked = "api_token.revoked",
}

/// What was acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The noun: `session`, `account`, `permission`, `signing_key`, `audit_log`.
    pub kind: String,
    /// Which one of its kind; a name or an id.
    pub id: String,
}

impl Object {
    /// An object of a kind.
    pub fn new(kind: &str, id: impl ToString) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// It wasn't allowed, and was not done.
    Refused,
    /// It was allowed and tried, and went wrong.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Refused, Self::Failed];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The event's own id. An id is recorded at most once.
    pub id: Uuid,
    /// When it happened, by the console's clock, in UTC; the text keeps whole microseconds.
    #[serde(with = "microseconds")]
    pub recorded_at: OffsetDateTime,
    /// Who acted.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// What it was done to.
    pub object: Object,
    /// How it ended.
    pub outcome: Outcome,
    /// Particulars.
    pub detail: Detail,
    /// The address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The trace the request belonged to (32 hexadecimal digits), to find its log lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// Why an event has no canonical text.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// A value in it has no single text.
    #[error(transparent)]
    Detail(#[from] DetailError),
    /// It is longer than [`MAX_CANONICAL_BYTES`].
    #[error(
        "the audit event is {bytes} bytes long and at most {MAX_CANONICAL_BYTES} are kept; shorten its detail"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text isn't an event of this version.
    #[error("the text is no audit event: {0}")]
    Json(#[from] serde_json::Error),
    /// The text is an event, but in another form than the canonical one.
    #[error("the text is not in canonical form: keys out of order, spaces, or doubled or unknown keys")]
    NotCanonical,
    /// The text says a version that this console doesn't know.
    #[error(
        "the event has version {0}, and this console knows version {VERSION}; verify it with a newer one"
    )]
    Version(u64),
}

/// The event with its version, as it is written.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    #[serde(flatten)]
    event: T,
    v: u64,
}

impl Event {
    /// The event's canonical text: RFC 8785 JSON with sorted keys, no spaces, and the version as `v`.
    pub fn canonical(&self) -> Result<String, CanonicalError> {
        let value = serde_json::to_value(Versioned {
            event: self,
            v: u64::from(VERSION),
        })?;
        detail::check(&value)?;
        let text = serde_json_canonicalizer::to_string(&value)?;
        if text.len() > MAX_CANONICAL_BYTES {
            return Err(CanonicalError::TooLong { bytes: text.len() });
        }
        Ok(text)
    }

    /// Reads a canonical text back, and refuses any other text even if it means the same event.
    pub fn from_canonical(text: &str) -> Result<Self, CanonicalError> {
        let mut value: serde_json::Value = serde_json::from_str(text)?;
        let version = value
            .as_object_mut()
            .and_then(|map| map.remove("v"))
            .and_then(|v| v.as_u64());
        match version {
            Some(v) if v == u64::from(VERSION) => {}
            Some(v) => return Err(CanonicalError::Version(v)),
            None => return Err(CanonicalError::NotCanonical),
        }
        let event: Self = serde_json::from_value(value)?;
        if event.canonical()? != text {
            return Err(CanonicalError::NotCanonical);
        }
        Ok(event)
    }
}

/// `2026-11-24T22:00:00.000000Z`: always UTC, always six digits, so that one instant has one text.
mod microseconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};
    use time::{
        OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::BorrowedFormatItem,
        macros::format_description,
    };

    const FORMAT: &[BorrowedFormatItem<'static>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

    pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        let text = at
            .to_offset(UtcOffset::UTC)
            .format(FORMAT)
            .map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        PrimitiveDateTime::parse(&text, FORMAT)
            .map(PrimitiveDateTime::assume_utc)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use time::macros::datetime;

    fn event() -> Event {
        Event {
            id: Uuid::from_u128(7),
            recorded_at: datetime!(2026-11-24 22:00:00.123456789 +02:00),
            actor: Actor::User {
                id: Uuid::from_u128(1),
                name: "ada".into(),
            },
            action: Action::SessionOpened,
            object: Object::new("session", "s1"),
            outcome: Outcome::Succeeded,
            detail: Detail::none().with("zeta", 1).with("alpha", "é\n\"x\""),
            source: Some([127, 0, 0, 1].into()),
            trace_id: None,
        }
    }

    #[test]
    fn canonical_text_is_fixed() {
        // The text is a contract with every export ever made: a change here needs a new version.
        assert_eq!(
            event().canonical().unwrap(),
            concat!(
                r#"{"action":"session.opened","#,
                r#""actor":{"id":"00000000-0000-0000-0000-000000000001","kind":"user","name":"ada"},"#,
                r#""detail":{"alpha":"é\n\"x\"","zeta":1},"id":"00000000-0000-0000-0000-000000000007","#,
                r#""object":{"id":"s1","kind":"session"},"outcome":"succeeded","#,
                r#""recorded_at":"2026-11-24T20:00:00.123456Z","source":"127.0.0.1","v":1}"#
            )
        );
    }

    #[test]
    fn other_texts_of_the_same_event_are_refused() {
        let text = event().canonical().unwrap();
        assert!(Event::from_canonical(&text).is_ok());
        let spaced = text.replacen(':', ": ", 1);
        assert!(matches!(
            Event::from_canonical(&spaced),
            Err(CanonicalError::NotCanonical)
        ));
        let doubled = text.replacen("\"zeta\":1", "\"zeta\":0,\"zeta\":1", 1);
        assert!(matches!(
            Event::from_canonical(&doubled),
            Err(CanonicalError::NotCanonical)
        ));
        let newer = text.replace("\"v\":1", "\"v\":2");
        assert!(matches!(
            Event::from_canonical(&newer),
            Err(CanonicalError::Version(2))
        ));
        let extra = text.replace("\"v\":1", "\"extra\":1,\"v\":1");
        assert!(matches!(
            Event::from_canonical(&extra),
            Err(CanonicalError::Json(_))
        ));
    }

    #[test]
    fn every_action_is_written_by_its_stable_name() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), json!(action.as_str()));
        }
    }

    #[test]
    fn too_long_is_refused() {
        let mut long = event();
        long.detail = Detail::none().with("text", "x".repeat(MAX_CANONICAL_BYTES));
        assert!(matches!(long.canonical(), Err(CanonicalError::TooLong { .. })));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            (-((1_i64 << 53) - 1)..(1_i64 << 53)).prop_map(serde_json::Value::from),
            "[^\u{0}]{0,12}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::hash_map("[^\u{0}]{0,6}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_text_reads_back_as_itself(
            map in prop::collection::hash_map("[^\u{0}]{0,6}", any_json(), 0..6),
            name in "[^\u{0}]{0,20}",
            micros in 0_i64..4_000_000_000_000_000,
        ) {
            let mut written = event();
            written.detail = Detail::try_from(serde_json::Value::Object(map.into_iter().collect())).unwrap();
            written.actor = Actor::CommandLine { name };
            written.recorded_at =
                OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap();
            let text = written.canonical().unwrap();
            prop_assert_eq!(Event::from_canonical(&text).unwrap(), written);
        }
    }
}
