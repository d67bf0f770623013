//! WAL segments and their names.

use serde::{Deserialize, Serialize};

use crate::cluster::Lsn;

/// A timeline of a cluster: goes up with each promotion, from 1.
pub type Timeline = u32;

/// How large a segment is: a power of two between 1 MiB and 1 GiB, fixed when the cluster is made; 16 MiB by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct SegmentSize(u64);

/// A size that no segment has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no WAL segment has {0} bytes: it is a power of two between 1 MiB and 1 GiB")]
pub struct NoSegmentSize(u64);

impl SegmentSize {
    /// What a size is by default: 16 MiB.
    pub const DEFAULT: Self = Self(16 * 1024 * 1024);

    /// From bytes.
    ///
    /// # Errors
    /// When no cluster can have it.
    pub fn new(bytes: u64) -> Result<Self, NoSegmentSize> {
        if bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(NoSegmentSize(bytes))
        }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of the segment in which a position lies.
    #[must_use]
    pub const fn number_of(self, position: Lsn) -> u64 {
        position.bytes() / self.0
    }

    /// Where a segment begins.
    #[must_use]
    pub const fn start_of(self, number: u64) -> Lsn {
        Lsn::from_bytes(number * self.0)
    }

    const fn per_log_file(self) -> u64 {
        (1 << 32) / self.0
    }
}

impl Default for SegmentSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u64> for SegmentSize {
    type Error = NoSegmentSize;

    fn try_from(bytes: u64) -> Result<Self, NoSegmentSize> {
        Self::new(bytes)
    }
}

impl From<SegmentSize> for u64 {
    fn from(size: SegmentSize) -> Self {
        size.0
    }
}

/// A complete segment: which one of which timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SegmentName {
    /// The timeline it was written on.
    pub timeline: Timeline,
    /// Its number: its first byte is at this many times the segment size.
    pub number: u64,
}

/// A text that names no segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no WAL segment: 24 hexadecimal digits do, 00000001000000A90000004E")]
pub struct MalformedSegmentName(pub String);

impl SegmentName {
    /// Reads the 24 digits.
    ///
    /// # Errors
    /// When it is anything else, also a `.partial`, `.backup` or `.history` file.
    pub fn parse(text: &str, size: SegmentSize) -> Result<Self, MalformedSegmentName> {
        let malformed = || MalformedSegmentName(text.to_owned());
        if text.len() != 24 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')) {
            return Err(malformed());
        }
        let part =
            |range: std::ops::Range<usize>| u64::from_str_radix(&text[range], 16).map_err(|_| malformed());
        let (timeline, log, within) = (part(0..8)?, part(8..16)?, part(16..24)?);
        if timeline == 0 || within >= size.per_log_file() {
            return Err(malformed());
        }
        Ok(Self {
            timeline: Timeline::try_from(timeline).map_err(|_| malformed())?,
            number: log * size.per_log_file() + within,
        })
    }

    /// The 24 digits.
    #[must_use]
    pub fn file_name(self, size: SegmentSize) -> String {
        format!(
            "{:08X}{:08X}{:08X}",
            self.timeline,
            self.number / size.per_log_file(),
            self.number % size.per_log_file()
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back_as_it_was(timeline in 1..u32::MAX, position in 0..u64::MAX / 2, shift in 20..=30_u32) {
            let size = SegmentSize::new(1 << shift).unwrap();
            let segment = SegmentName { timeline, number: size.number_of(Lsn::from_bytes(position)) };
            prop_assert_eq!(SegmentName::parse(&segment.file_name(size), size), Ok(segment));
            prop_assert!(size.start_of(segment.number).bytes() <= position);
            prop_assert!(position < size.start_of(segment.number + 1).bytes());
        }
    }

    #[test]
    fn names_are_those_of_postgresql() {
        let segment = SegmentName {
            timeline: 2,
            number: 0xA9 * 256 + 0x4E,
        };
        assert_eq!(
            segment.file_name(SegmentSize::DEFAULT),
            "00000002000000A90000004E"
        );
    }

    #[test]
    fn other_files_of_the_archive_are_no_segments() {
        for name in [
            "00000002.history",
            "000000010000000000000003.00000028.backup",
            "000000010000000000000003.partial",
            "00000001000000000000000g",
            "000000010000000000000100",
            "000000000000000000000001",
            "",
            "00000001000000000000000\u{e9}",
        ] {
            assert!(SegmentName::parse(name, SegmentSize::DEFAULT).is_err(), "{name}");
        }
    }

    #[test]
    fn no_cluster_has_other_sizes() {
        for bytes in [0, 1 << 19, 3 << 20, 1 << 31] {
            assert_eq!(SegmentSize::new(bytes), Err(NoSegmentSize(bytes)));
        }
    }
}
