//! A position in the write-ahead log.

use serde::{Deserialize, Serialize};

/// A position in the write-ahead log: bytes from its beginning. Written as PostgreSQL does: `0/3000148`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "16/B374D848"))]
pub struct Lsn(u64);

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no position in the write-ahead log: it is written as two hexadecimal numbers, 16/B374D848")]
pub struct MalformedLsn(pub String);

impl Lsn {
    /// From bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the beginning.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many bytes `self` is after `earlier`; 0 if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = MalformedLsn;

    fn try_from(text: String) -> Result<Self, MalformedLsn> {
        text.parse()
    }
}

impl std::str::FromStr for Lsn {
    type Err = MalformedLsn;

    fn from_str(text: &str) -> Result<Self, MalformedLsn> {
        let malformed = || MalformedLsn(text.to_owned());
        let (high, low) = text.split_once('/').ok_or_else(malformed)?;
        let part = |part: &str| {
            // What `from_str_radix` takes besides digits is a sign.
            let digits = (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
            digits
                .then(|| u64::from_str_radix(part, 16).ok())
                .flatten()
                .ok_or_else(malformed)
        };
        Ok(Self(part(high)? << 32 | part(low)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_written_as_postgresql_does() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn.bytes(), 0x16_B374_D848);
        assert_eq!(Lsn::from_bytes(0x3000148).to_string(), "0/3000148");
        for text in ["", "16", "/", "1/", "+1/2", "1/2/3", "100000000/0", "g/1"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_survives_being_written(bytes: u64) {
            let lsn = Lsn::from_bytes(bytes);
            prop_assert_eq!(lsn.to_string().parse(), Ok(lsn));
            prop_assert_eq!(serde_json::from_value::<Lsn>(serde_json::to_value(lsn).unwrap()).unwrap(), lsn);
        }
    }
}
