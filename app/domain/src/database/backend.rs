//! A backend as it was at one moment.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::BackendId;

/// What kind of process a backend is, from `backend_type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// Serves a client: the only kind that is ever ended.
    Client,
    /// Streams WAL to a standby or an archive, or sends a base backup.
    WalSender,
    /// Vacuums or analyses a table.
    AutovacuumWorker,
    /// Works for another backend's query.
    ParallelWorker,
    /// Any other process of the server, by its own name.
    Other(String),
}

impl BackendKind {
    /// Reads PostgreSQL's word.
    #[must_use]
    pub fn read(backend_type: &str) -> Self {
        match backend_type {
            "client backend" => Self::Client,
            "walsender" => Self::WalSender,
            "autovacuum worker" => Self::AutovacuumWorker,
            "parallel worker" => Self::ParallelWorker,
            other => Self::Other(other.to_owned()),
        }
    }

    /// PostgreSQL's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Client => "client backend",
            Self::WalSender => "walsender",
            Self::AutovacuumWorker => "autovacuum worker",
            Self::ParallelWorker => "parallel worker",
            Self::Other(name) => name,
        }
    }
}

/// What a backend is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BackendState {
    /// Runs a query, or waits within one.
    Active,
    /// Has a transaction open and does nothing in it: what it locks stays locked.
    IdleInTransaction,
    /// The same, after an error.
    IdleInTransactionAborted,
    /// Waits for its client.
    Idle,
    /// Runs a function by the old fast path.
    FastPath,
    /// Is not tracked: `track_activities` is off.
    Disabled,
    /// Says nothing, as a process that serves no client.
    Unknown,
}

impl BackendState {
    /// Every state, the one that matters most first.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::IdleInTransaction,
        Self::IdleInTransactionAborted,
        Self::Idle,
        Self::FastPath,
        Self::Disabled,
        Self::Unknown,
    ];

    /// Reads PostgreSQL's word. One that is not known, as from a newer server, says nothing.
    #[must_use]
    pub fn read(state: Option<&str>) -> Self {
        state
            .and_then(|word| Self::ALL.into_iter().find(|s| s.word() == word))
            .unwrap_or(Self::Unknown)
    }

    /// PostgreSQL's word, as shown to a person.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInTransactionAborted => "idle in transaction (aborted)",
            Self::Idle => "idle",
            Self::FastPath => "fastpath function call",
            Self::Disabled => "disabled",
            Self::Unknown => "not told",
        }
    }

    /// The name in addresses: `idle_in_transaction`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::IdleInTransactionAborted => "idle_in_transaction_aborted",
            Self::Idle => "idle",
            Self::FastPath => "fast_path",
            Self::Disabled => "disabled",
            Self::Unknown => "unknown",
        }
    }

    /// Reads [`BackendState::as_str`] back.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// What a backend waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitEvent {
    /// The kind: `Lock`, `IO`, `Client`, ….
    pub kind: String,
    /// The event: `transactionid`, `DataFileRead`, `ClientRead`, ….
    pub event: String,
}

/// A query as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryText {
    /// The text as the server has it, or its beginning.
    pub text: String,
    /// Whether the text was longer: the server keeps `track_activity_query_size` bytes of it.
    pub truncated: bool,
}

/// A backend, read together with all others at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Which one.
    pub id: BackendId,
    /// What kind of process.
    pub kind: BackendKind,
    /// The role that signed in; `None` for a process of the server.
    pub user: Option<String>,
    /// Whether that role is a superuser.
    pub user_is_superuser: bool,
    /// The database.
    pub database: Option<String>,
    /// What the client calls itself; empty where it does not say.
    pub application: String,
    /// Where the client is; `None` on a Unix socket, and for a process of the server.
    pub address: Option<IpAddr>,
    /// What it is at.
    pub state: BackendState,
    /// The query that runs, or the last one that ran.
    pub query: Option<QueryText>,
    /// When that query began.
    pub query_started_at: Option<OffsetDateTime>,
    /// When its transaction began; `None` where none is open.
    pub transaction_started_at: Option<OffsetDateTime>,
    /// When it came into its state.
    pub state_changed_at: Option<OffsetDateTime>,
    /// What it waits for.
    pub wait: Option<WaitEvent>,
    /// Whom it waits for, by pid; 0 is a prepared transaction, which no process holds. Empty where it waits for no lock.
    pub blocked_by: Vec<i32>,
    /// For which backend a parallel worker works, by pid.
    pub leader_pid: Option<i32>,
    /// Whether it sends a base backup.
    pub sends_base_backup: bool,
    /// Whether it is the connection through which this was asked.
    pub is_asker: bool,
}

/// Time between two instants of the server's clock. Whoever began after the moment of reading has age zero.
fn age(since: Option<OffsetDateTime>, at: OffsetDateTime) -> Option<Duration> {
    since.map(|t| Duration::try_from(at - t).unwrap_or_default())
}

impl Backend {
    /// How long its query has been running at `at`; `None` unless one runs.
    #[must_use]
    pub fn query_age(&self, at: OffsetDateTime) -> Option<Duration> {
        match self.state {
            BackendState::Active | BackendState::FastPath => age(self.query_started_at, at),
            BackendState::Idle
            | BackendState::IdleInTransaction
            | BackendState::IdleInTransactionAborted
            | BackendState::Disabled
            | BackendState::Unknown => None,
        }
    }

    /// How long its transaction has been open at `at`.
    #[must_use]
    pub fn transaction_age(&self, at: OffsetDateTime) -> Option<Duration> {
        age(self.transaction_started_at, at)
    }

    /// How long it has been in its state at `at`.
    #[must_use]
    pub fn state_age(&self, at: OffsetDateTime) -> Option<Duration> {
        age(self.state_changed_at, at)
    }
}

/// All backends of a node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The moment, by the node's own clock: what ages are counted to.
    pub at: OffsetDateTime,
    /// Every backend, in no order.
    pub backends: Vec<Backend>,
}

impl Snapshot {
    /// The backend of that name.
    #[must_use]
    pub fn find(&self, id: BackendId) -> Option<&Backend> {
        self.backends.iter().find(|b| b.id == id)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use time::macros::datetime;

    use super::*;

    pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-24 22:00 UTC);

    /// A client's backend that has been running a query for `active_s` seconds.
    pub(crate) fn client(pid: i32, active_s: i64) -> Backend {
        let since = Some(NOW - time::Duration::seconds(active_s));
        Backend {
            id: BackendId::new(pid, NOW - time::Duration::hours(1)),
            kind: BackendKind::Client,
            user: Some("skillquest".into()),
            user_is_superuser: false,
            database: Some("skillquest".into()),
            application: "api".into(),
            address: Some(IpAddr::from([10, 0, 0, 7])),
            state: BackendState::Active,
            query: Some(QueryText {
                text: "SELECT 1".into(),
                truncated: false,
            }),
            query_started_at: since,
            transaction_started_at: since,
            state_changed_at: since,
            wait: None,
            blocked_by: Vec::new(),
            leader_pid: None,
            sends_base_backup: false,
            is_asker: false,
        }
    }

    #[test]
    fn an_idle_backend_has_no_query_age() {
        let mut backend = client(1, 90);
        assert_eq!(backend.query_age(NOW), Some(Duration::from_secs(90)));
        backend.state = BackendState::IdleInTransaction;
        assert_eq!(backend.query_age(NOW), None);
        assert_eq!(backend.transaction_age(NOW), Some(Duration::from_secs(90)));
        assert_eq!(
            backend.transaction_age(NOW - time::Duration::hours(1)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn states_read_back_in_both_spellings() {
        for state in BackendState::ALL {
            assert_eq!(BackendState::read(Some(state.word())), state);
            assert_eq!(BackendState::parse(state.as_str()), Some(state));
        }
        assert_eq!(BackendState::read(None), BackendState::Unknown);
        assert_eq!(BackendState::read(Some("pondering")), BackendState::Unknown);
    }
}
