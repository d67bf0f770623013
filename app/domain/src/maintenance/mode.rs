//! Whether maintenance mode is on.

use serde::{Deserialize, Serialize};

/// Maintenance mode as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Mode {
    /// It can't be told.
    #[default]
    Unknown,
    /// Everything serves.
    Off,
    /// Some parts are in maintenance mode and others serve.
    Mixed,
    /// Nothing serves but health.
    On,
}

impl Mode {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Off => "off",
            Self::Mixed => "mixed",
            Self::On => "on",
        }
    }

    /// The word shown to a person.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "not known",
            Self::Off => "off",
            Self::Mixed => "on in part",
            Self::On => "on",
        }
    }

    /// Reads the stable name back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Unknown, Self::Off, Self::Mixed, Self::On]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }

    /// The mode of a whole, out of the modes of its parts. One part that can't be told leaves the whole unknown.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        parts
            .into_iter()
            .reduce(|a, b| match (a, b) {
                (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
                (a, b) if a == b => a,
                (_, _) => Self::Mixed,
            })
            .unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_is_as_its_parts_are() {
        use Mode::{Mixed, Off, On, Unknown};
        for (parts, whole) in [
            (&[][..], Unknown),
            (&[On], On),
            (&[Off, Off], Off),
            (&[On, Off], Mixed),
            (&[On, On, Off, On], Mixed),
            (&[On, Off, Unknown], Unknown),
        ] {
            assert_eq!(Mode::of(parts.iter().copied()), whole, "{parts:?}");
        }
        for mode in [On, Off, Mixed, Unknown] {
            assert_eq!(Mode::parse(mode.as_str()), Some(mode));
        }
        assert_eq!(Mode::parse("ON"), None);
    }
}
