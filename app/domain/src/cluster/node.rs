//! What a node says of itself at one moment.

use serde::{Deserialize, Serialize};

use super::Lsn;

/// A node as it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSight {
    /// Its name in the configuration.
    pub name: String,
    /// What it said, or why nothing was heard, in words: "does not answer within 3000 ms".
    pub answer: Result<NodeState, String>,
    /// Whether a server is there and refuses: it is not gone, though it says nothing of itself.
    pub refuses: bool,
}

impl NodeSight {
    /// What it said.
    #[must_use]
    pub fn state(&self) -> Option<&NodeState> {
        self.answer.as_ref().ok()
    }

    /// What it said as a primary.
    #[must_use]
    pub fn primary(&self) -> Option<(&NodeState, &PrimaryState)> {
        let state = self.state()?;
        match &state.part {
            Part::Primary(primary) => Some((state, primary)),
            Part::Standby(_) => None,
        }
    }

    /// What it said as a standby.
    #[must_use]
    pub fn standby(&self) -> Option<(&NodeState, &StandbyState)> {
        let state = self.state()?;
        match &state.part {
            Part::Primary(_) => None,
            Part::Standby(standby) => Some((state, standby)),
        }
    }
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeState {
    /// Identifies the cluster: all its nodes have the same. None if the role may not ask.
    pub system_identifier: Option<i64>,
    /// Major version.
    pub version: i32,
    /// The timeline it writes or receives; goes up with each promotion. None if the role may not ask a standby that
    /// receives nothing.
    pub timeline: Option<i32>,
    /// Whether the server makes transactions read-only by default: how a primary is kept from being written to.
    pub read_only: bool,
    /// Its part, and how far it is.
    pub part: Part,
    /// Its replication slots.
    pub slots: Vec<Slot>,
    /// What its archiver does; none where it archives nothing.
    pub archiver: Option<Archiver>,
}

/// A node's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Part {
    /// Takes writes.
    Primary(PrimaryState),
    /// In recovery.
    Standby(StandbyState),
}

/// A primary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PrimaryState {
    /// Written and on disk up to here: everything that was acknowledged lies before it.
    pub flushed: Lsn,
    /// Who streams from it.
    pub followers: Vec<Follower>,
    /// `synchronous_standby_names`; empty if it waits for nobody.
    pub synchronous_standby_names: String,
    /// Age of the oldest open transaction of a client, ms.
    pub oldest_transaction_ms: Option<i64>,
    /// Whether a base backup is being taken from it.
    pub base_backup: bool,
}

/// One that streams from a primary, as the primary sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Follower {
    /// The name it gives.
    pub application: String,
    /// From where; none for a Unix socket.
    pub address: Option<String>,
    /// `startup`, `catchup`, `streaming`, `backup`, `stopping`.
    pub state: String,
    /// `async`, `potential`, `sync`, `quorum`.
    pub sync_state: String,
    /// Sent to it.
    pub sent: Option<Lsn>,
    /// On its disk, as it says.
    pub flushed: Option<Lsn>,
    /// Replayed there, as it says.
    pub replayed: Option<Lsn>,
    /// Time until a commit was replayed there lately, ms; none while idle.
    pub replay_lag_ms: Option<i64>,
    /// Age of its last word, ms.
    pub reply_age_ms: Option<i64>,
}

/// A standby.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandbyState {
    /// Received and on disk; none if it never streamed since its start.
    pub received: Option<Lsn>,
    /// Replayed.
    pub replayed: Option<Lsn>,
    /// Its WAL receiver; none while nothing is received.
    pub receiver: Option<Receiver>,
    /// Age of the last transaction that was replayed, ms. It also grows while the primary is idle.
    pub last_transaction_age_ms: Option<i64>,
    /// Whether replay was paused by somebody.
    pub replay_paused: bool,
    /// Its own `synchronous_standby_names`: whom it would wait for as a primary.
    #[serde(default)]
    pub synchronous_standby_names: String,
}

impl StandbyState {
    /// The furthest it has: what it would continue from when it is promoted.
    #[must_use]
    pub fn position(&self) -> Option<Lsn> {
        self.received.max(self.replayed)
    }
}

/// A standby's WAL receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receiver {
    /// `streaming`, `waiting`, ….
    pub status: String,
    /// The host it receives from, as configured there.
    pub sender_host: Option<String>,
    /// Its port.
    pub sender_port: Option<i32>,
    /// The slot it uses.
    pub slot: Option<String>,
    /// Age of the primary's last message, on the standby's own clock, ms. The one figure that tells a silent primary
    /// from an idle one.
    pub last_message_age_ms: Option<i64>,
    /// How far the primary said it was, in its last message.
    pub reported: Option<Lsn>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether somebody uses it.
    pub active: bool,
    /// `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
    /// WAL that is kept for it, bytes.
    pub retained_bytes: Option<i64>,
}

/// What an archiver does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Archiver {
    /// The last segment that was stored.
    pub last_archived: Option<String>,
    /// How long ago, ms.
    pub last_archived_age_ms: Option<i64>,
    /// How long ago storing failed last, ms.
    pub last_failed_age_ms: Option<i64>,
}

impl Archiver {
    /// Whether the last attempt failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        match (self.last_failed_age_ms, self.last_archived_age_ms) {
            (Some(failed), Some(archived)) => failed < archived,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
