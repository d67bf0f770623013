//! What names a backend.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use super::instant;

/// One backend, and never another one: a pid is given again to somebody else sooner or later, a pid with the time
/// at which it started is not.
///
/// Its text, `4711@2026-11-24T22:11:03.123456Z`, is the only one that names it, and stands in addresses, forms and
/// the record of what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BackendId {
    pid: i32,
    started_at: OffsetDateTime,
}

/// A text that names no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no backend; a backend is written as its pid and its start, such as 4711@2026-11-24T22:11:03.123456Z"
)]
pub struct MalformedBackendId(pub String);

impl BackendId {
    /// Names the backend `pid` that started at `started_at`; what is finer than a microsecond is dropped.
    #[must_use]
    pub fn new(pid: i32, started_at: OffsetDateTime) -> Self {
        let utc = started_at.to_offset(UtcOffset::UTC);
        Self {
            pid,
            started_at: utc.replace_microsecond(utc.microsecond()).unwrap_or(utc),
        }
    }

    /// The process id on the node.
    #[must_use]
    pub const fn pid(self) -> i32 {
        self.pid
    }

    /// When it started, by the node's clock; UTC.
    #[must_use]
    pub const fn started_at(self) -> OffsetDateTime {
        self.started_at
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = instant::write(self.started_at).ok_or(fmt::Error)?;
        write!(f, "{}@{started}", self.pid)
    }
}

impl FromStr for BackendId {
    type Err = MalformedBackendId;

    fn from_str(text: &str) -> Result<Self, MalformedBackendId> {
        let read = || {
            let (pid, started) = text.split_once('@')?;
            // What `i32` reads besides: a sign, leading zeros. One backend has one name.
            let pid = pid
                .parse::<i32>()
                .ok()
                .filter(|n| *n > 0 && n.to_string() == pid)?;
            Some(Self::new(pid, instant::read(started)?))
        };
        read().ok_or_else(|| MalformedBackendId(text.to_owned()))
    }
}

impl From<BackendId> for String {
    fn from(id: BackendId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for BackendId {
    type Error = MalformedBackendId;

    fn try_from(text: String) -> Result<Self, MalformedBackendId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn it_is_written_in_one_way() {
        let id = BackendId::new(4711, datetime!(2026-11-24 23:11:03.123456789 +1));
        assert_eq!(id.to_string(), "4711@2026-11-24T22:11:03.123456Z");
        let whole = BackendId::new(1, datetime!(2026-01-02 03:04:05 UTC));
        assert_eq!(whole.to_string(), "1@2026-01-02T03:04:05.000000Z");
        assert_eq!(
            serde_json::to_string(&whole).unwrap(),
            "\"1@2026-01-02T03:04:05.000000Z\""
        );
    }

    #[test]
    fn other_spellings_name_nothing() {
        for text in [
            "",
            "4711",
            "@2026-11-24T22:11:03.123456Z",
            "0@2026-11-24T22:11:03.123456Z",
            "-4711@2026-11-24T22:11:03.123456Z",
            "+4711@2026-11-24T22:11:03.123456Z",
            "04711@2026-11-24T22:11:03.123456Z",
            "4711@2026-11-24T22:11:03Z",
            "4711@2026-11-24T22:11:03.12345Z",
            "4711@2026-11-24T22:11:03.123456",
            "4711@2026-11-24 22:11:03.123456Z",
            "4711@2026-02-30T22:11:03.123456Z",
            " 4711@2026-11-24T22:11:03.123456Z",
        ] {
            assert_eq!(
                text.parse::<BackendId>(),
                Err(MalformedBackendId(text.to_owned())),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn it_reads_back(pid in 1..=i32::MAX, microseconds in 0_i64..4_102_444_800_000_000) {
            let started = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1_000).unwrap();
            let id = BackendId::new(pid, started);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!((id.pid(), id.started_at()), (pid, started));
        }
    }
}
