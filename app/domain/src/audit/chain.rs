//! The chain of hashes over the audit log, and the walk that finds where it was broken.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::Event;

/// What the hash before the first row is the hash of. The migration writes the same hash into the head row.
const GENESIS_TEXT: &[u8] = b"quarterdeck audit chain v1";

/// A SHA-256 hash; shown and read as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Hash(pub [u8; 32]);

impl Sha256Hash {
    /// The hash that stands before the first row.
    pub fn genesis() -> Self {
        Self(Sha256::digest(GENESIS_TEXT).into())
    }

    /// The hash of a row: SHA-256 over the hash before it, its number as eight bytes (big-endian), and its
    /// canonical text in UTF-8.
    pub fn of_row(previous: Self, seq: u64, canonical: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        hasher.update(seq.to_be_bytes());
        hasher.update(canonical.as_bytes());
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text or a byte string that is no SHA-256 hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 hash: expected 64 hexadecimal digits (32 bytes)")]
pub struct HashError;

impl FromStr for Sha256Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(HashError);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| HashError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| HashError)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for Sha256Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}

/// The last row of a chain: its number (0 before the first row) and its hash. Written as `12:0f3a…`.
///
/// Whoever keeps a head outside the database can tell later whether the end of the log was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The row's number.
    pub seq: u64,
    /// The row's hash.
    pub hash: Sha256Hash,
}

impl Head {
    /// The head of an empty log.
    pub fn genesis() -> Self {
        Self {
            seq: 0,
            hash: Sha256Hash::genesis(),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a head; write it as NUMBER:HASH, as `audit verify` prints it");
        let (seq, hash) = text.trim().split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| wrong())?,
            hash: hash.parse().map_err(|_| wrong())?,
        })
    }
}

/// The columns that the database keeps beside the text, for searching. They have to say what the text says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of the event of the same name")]
pub struct Columns {
    pub event_id: Uuid,
    pub recorded_at: OffsetDateTime,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: Option<String>,
    pub action: String,
    pub object_kind: String,
    pub object_id: String,
    pub outcome: String,
}

impl Columns {
    /// What the columns of an event's row have to hold.
    pub fn of(event: &Event) -> Self {
        Self {
            event_id: event.id,
            recorded_at: event.recorded_at,
            actor_kind: event.actor.kind().to_owned(),
            actor_id: event.actor.id(),
            actor_name: event.actor.name().map(str::to_owned),
            action: event.action.as_str().to_owned(),
            object_kind: event.object.kind.clone(),
            object_id: event.object.id.clone(),
            outcome: event.outcome.as_str().to_owned(),
        }
    }

    /// The name of the first column that says something else than `self`.
    pub(super) fn first_difference(&self, shown: &Self) -> Option<&'static str> {
        let checks = [
            ("event_id", self.event_id == shown.event_id),
            ("recorded_at", self.recorded_at == shown.recorded_at),
            ("actor_kind", self.actor_kind == shown.actor_kind),
            ("actor_id", self.actor_id == shown.actor_id),
            ("actor_name", self.actor_name == shown.actor_name),
            ("action", self.action == shown.action),
            ("object_kind", self.object_kind == shown.object_kind),
            ("object_id", self.object_id == shown.object_id),
            ("outcome", self.outcome == shown.outcome),
        ];
        checks
            .into_iter()
            .find_map(|(name, same)| (!same).then_some(name))
    }
}

/// One row of the log as it was read, from the database or from an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// The event's canonical text.
    pub canonical: String,
    /// The hash of the row before, as this row has it.
    pub prev_hash: Sha256Hash,
    /// Its own hash, as written.
    pub hash: Sha256Hash,
    /// The search columns; an export has none.
    pub columns: Option<Columns>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// One or more rows before it are missing, or the numbers are out of order.
    #[error("row {expected} should stand here, but the next one is {found}: rows were removed or moved")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// It doesn't follow on the row before it.
    #[error("its previous hash is not the hash of the row before: a row was replaced or put in between")]
    PreviousHash,
    /// Its text or its hash was changed.
    #[error("its hash does not fit its text: the text, the number or the hash was changed")]
    Hash,
    /// The chain holds, but the text is no event. The console never writes such a row.
    #[error("its hash fits, but its text is not one the console writes: {0}")]
    Text(String),
    /// A search column says something else than the text.
    #[error("its column {0} says something else than its text: a search by that column would mislead")]
    Column(&'static str),
    /// The chain holds, but at this row it has another hash than the head that was kept elsewhere.
    #[error("its hash is not the one that was kept elsewhere: the log was rewritten from here or earlier")]
    OtherHistory,
    /// The log ends before a row that is known to have been there.
    #[error("the log ends before it, but row {known} is known to have been written: the end was cut off")]
    CutOff {
        /// The last row known to exist.
        known: u64,
    },
}

/// The first row at which the log can't be trusted any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {seq}: {fault}")]
pub struct BadRow {
    /// The row's number (of the missing row, when rows are missing).
    pub seq: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Walks a chain row by row with constant memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Head,
    expected: Vec<Head>,
}

impl Verifier {
    /// Begins before the first row. `expected` are heads that are known from elsewhere: the log has to go
    /// through each of them.
    pub fn new(expected: impl IntoIterator<Item = Head>) -> Self {
        Self {
            head: Head::genesis(),
            expected: expected.into_iter().collect(),
        }
    }

    /// Checks the next row.
    pub fn push(&mut self, row: &ChainRow) -> Result<(), BadRow> {
        let expected = self.head.seq + 1;
        if row.seq != expected {
            return Err(BadRow {
                seq: expected,
                fault: Fault::Gap {
                    expected,
                    found: row.seq,
                },
            });
        }
        let bad = |fault| Err(BadRow { seq: row.seq, fault });
        if row.prev_hash != self.head.hash {
            return bad(Fault::PreviousHash);
        }
        if row.hash != Sha256Hash::of_row(self.head.hash, row.seq, &row.canonical) {
            return bad(Fault::Hash);
        }
        let event = match Event::from_canonical(&row.canonical) {
            Ok(event) => event,
            Err(error) => return bad(Fault::Text(error.to_string())),
        };
        if let Some(shown) = &row.columns
            && let Some(column) = Columns::of(&event).first_difference(shown)
        {
            return bad(Fault::Column(column));
        }
        if self
            .expected
            .iter()
            .any(|head| head.seq == row.seq && head.hash != row.hash)
        {
            return bad(Fault::OtherHistory);
        }
        self.head = Head {
            seq: row.seq,
            hash: row.hash,
        };
        Ok(())
    }

    /// Ends the walk: the head of the log, or what shows that its end is missing.
    pub fn finish(self) -> Result<Head, BadRow> {
        if let Some(head) = self
            .expected
            .iter()
            .find(|head| head.seq == 0 && head.hash != Sha256Hash::genesis())
        {
            return Err(BadRow {
                seq: head.seq,
                fault: Fault::OtherHistory,
            });
        }
        match self.expected.iter().map(|head| head.seq).max() {
            Some(known) if known > self.head.seq => Err(BadRow {
                seq: self.head.seq + 1,
                fault: Fault::CutOff { known },
            }),
            Some(_) | None => Ok(self.head),
        }
    }
}

/// Verifies a whole chain: its head, or the first bad row and why.
pub fn verify<'a>(
    rows: impl IntoIterator<Item = &'a ChainRow>,
    expected: impl IntoIterator<Item = Head>,
) -> Result<Head, BadRow> {
    let mut verifier = Verifier::new(expected);
    for row in rows {
        verifier.push(row)?;
    }
    verifier.finish()
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
