//! What maintenance mode looks like from outside.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::Mode;

/// What a probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProbeKind {
    /// What a user would ask for: refused in maintenance mode.
    #[default]
    Request,
    /// The health endpoint: it answers whether the mode is on or off.
    Health,
}

impl ProbeKind {
    /// What is expected where the configuration says nothing.
    pub const fn expected(self, on: bool) -> Expected {
        match (self, on) {
            (Self::Request, true) => Expected::Status(503),
            (Self::Request, false) => Expected::Served,
            (Self::Health, true | false) => Expected::Status(200),
        }
    }
}

/// Which answers are as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// This status: `503`.
    Status(u16),
    /// Any other than this one: `not 503`.
    Not(u16),
    /// Statuses of this hundred: `2xx`.
    Class(u16),
    /// Any below 500: `served`.
    Served,
}

/// A text that names no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no expectation; write a status (503), a class (2xx), \"not 503\", or \"served\" (anything below 500)"
)]
pub struct UnknownExpectation(String);

impl Expected {
    /// Whether this answer is as it should be.
    pub const fn accepts(self, status: u16) -> bool {
        match self {
            Self::Status(expected) => status == expected,
            Self::Not(refused) => status != refused,
            Self::Class(hundred) => status / 100 == hundred,
            Self::Served => status < 500,
        }
    }
}

impl FromStr for Expected {
    type Err = UnknownExpectation;

    fn from_str(text: &str) -> Result<Self, UnknownExpectation> {
        let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
        let unknown = || UnknownExpectation(text.to_owned());
        if text == "served" {
            return Ok(Self::Served);
        }
        if let Some(class) = text.strip_suffix("xx") {
            return class
                .parse()
                .ok()
                .filter(|hundred| (1..=5).contains(hundred))
                .map(Self::Class)
                .ok_or_else(unknown);
        }
        match text.strip_prefix("not ") {
            Some(rest) => status(rest).map(Self::Not),
            None => status(text).map(Self::Status),
        }
        .ok_or_else(unknown)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Not(status) => write!(f, "not {status}"),
            Self::Class(hundred) => write!(f, "{hundred}xx"),
            Self::Served => f.write_str("served"),
        }
    }
}

impl Serialize for Expected {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// The probe's name.
    pub name: String,
    /// What it asks for.
    pub kind: ProbeKind,
    /// The status it got; `None` when there was no answer.
    pub status: Option<u16>,
    /// Why there was none, in words that hold no address.
    pub error: Option<String>,
    /// What it should get while the mode is on.
    pub while_on: Expected,
    /// What it should get while the mode is off.
    pub while_off: Expected,
}

impl Sight {
    /// What it should have got.
    pub const fn expected(&self, on: bool) -> Expected {
        if on { self.while_on } else { self.while_off }
    }

    /// Whether it is what it should be.
    pub fn fits(&self, on: bool) -> bool {
        self.status
            .is_some_and(|status| self.expected(on).accepts(status))
    }

    /// What was seen, in few words: `503`, or why nothing was.
    pub fn words(&self) -> String {
        match (self.status, &self.error) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// The mode as users see it. Only the requests tell: health answers either way.
pub fn seen_from_outside(sights: &[Sight]) -> Mode {
    let requests = sights.iter().filter(|sight| sight.kind == ProbeKind::Request);
    Mode::of(requests.map(|sight| match (sight.fits(true), sight.fits(false)) {
        (true, false) => Mode::On,
        (false, true) => Mode::Off,
        (true, true) | (false, false) => Mode::Unknown,
    }))
}

/// The probes that do not see what they should while the mode is `on`, or off, each in words.
#[must_use]
pub fn odd(sights: &[Sight], on: bool) -> Vec<String> {
    sights
        .iter()
        .filter(|sight| !sight.fits(on))
        .map(|sight| {
            format!(
                "{} sees {} instead of {}",
                sight.name,
                sight.words(),
                sight.expected(on)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(kind: ProbeKind, status: Option<u16>) -> Sight {
        Sight {
            name: "probe".into(),
            kind,
            status,
            error: status.is_none().then(|| "connection refused".into()),
            while_on: kind.expected(true),
            while_off: kind.expected(false),
        }
    }

    #[test]
    fn expectations_are_read_written_and_held_against_answers() {
        for (text, fits, does_not) in [
            ("503", 503, 500),
            ("2xx", 204, 301),
            ("not 503", 500, 503),
            ("served", 404, 500),
        ] {
            let expected: Expected = text.parse().unwrap();
            assert_eq!(expected.to_string(), text);
            assert!(expected.accepts(fits) && !expected.accepts(does_not), "{text}");
        }
        for wrong in ["", "5", "6xx", "xx", "not", "not x", "999", "ok"] {
            assert!(wrong.parse::<Expected>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_requests_tell_and_an_outage_is_no_maintenance() {
        use ProbeKind::{Health, Request};
        let seen = |sights: &[(ProbeKind, Option<u16>)]| {
            let sights: Vec<_> = sights
                .iter()
                .map(|(kind, status)| sight(*kind, *status))
                .collect();
            seen_from_outside(&sights)
        };
        assert_eq!(seen(&[(Request, Some(503)), (Health, Some(200))]), Mode::On);
        assert_eq!(seen(&[(Request, Some(200)), (Request, Some(404))]), Mode::Off);
        assert_eq!(seen(&[(Request, Some(200)), (Request, Some(503))]), Mode::Mixed);
        assert_eq!(seen(&[(Request, Some(500))]), Mode::Unknown);
        assert_eq!(seen(&[(Request, None)]), Mode::Unknown);
        assert_eq!(seen(&[(Health, Some(200))]), Mode::Unknown);
    }
}
