//! The range of time in a page's address: `?range=1h`, or `?from=2026-11-24T22:00&to=2026-11-24T23:00` in UTC.

use leptos_router::params::ParamsMap;
use quarterdeck_domain::chart::{RangePreset, TimeRange};
use serde::{Deserialize, Serialize};
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::error::ConsoleError;

/// At most so many points a line: one for two or three pixels of a wide chart.
pub(super) const MAX_POINTS: u32 = 400;

/// What the address asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A range that ends now, and moves with it.
    Preset(RangePreset),
    /// A range that stays where it is.
    Absolute(TimeRange),
}

impl Asked {
    /// The range at `now_s`.
    #[must_use]
    pub const fn at(self, now_s: i64) -> TimeRange {
        match self {
            Self::Preset(preset) => TimeRange::ending(preset, now_s),
            Self::Absolute(range) => range,
        }
    }

    /// Reads it from the query; an hour that ends now where nothing is asked.
    pub(super) fn read(query: &ParamsMap) -> Result<Self, ConsoleError> {
        let bad = |what: String| Err(ConsoleError::BadRequest(what));
        match (query.get("from"), query.get("to")) {
            (Some(from), Some(to)) => {
                let (Some(from_s), Some(to_s)) = (instant(&from), instant(&to)) else {
                    return bad(format!(
                        "The times {from:?} and {to:?} can't be read. Write them as 2026-11-24T22:00, in UTC."
                    ));
                };
                match TimeRange::new(from_s, to_s) {
                    Ok(range) => Ok(Self::Absolute(range)),
                    Err(error) => bad(format!("This can't be charted: {error}.")),
                }
            }
            (Some(_), None) | (None, Some(_)) => bad("A range needs both ends: from and to.".to_owned()),
            (None, None) => match query.get("range") {
                None => Ok(Self::Preset(RangePreset::Hour1)),
                Some(name) => RangePreset::parse(&name).map(Self::Preset).map_or_else(
                    || {
                        bad(format!(
                            "There is no range {name:?}. Choose one of 15m, 1h, 6h, 24h, 7d and 30d."
                        ))
                    },
                    Ok,
                ),
            },
        }
    }
}

/// Reads `YYYY-MM-DDTHH:MM[:SS][Z]` in UTC, as a `datetime-local` field sends it, or Unix seconds.
fn instant(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, clock) = text.trim_end_matches('Z').split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-');
    let year: i32 = date.next()?.parse().ok()?;
    let month: u8 = date.next()?.parse().ok()?;
    let day: u8 = date.next()?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let mut clock = clock.splitn(3, ':');
    let hour: u8 = clock.next()?.parse().ok()?;
    let minute: u8 = clock.next()?.parse().ok()?;
    // A browser may send fractions of a second; they make no difference to a chart.
    let second: u8 = clock
        .next()
        .map_or(Some(0), |s| s.split('.').next()?.parse().ok())?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

/// `2026-11-24T22:11:03`: what a `datetime-local` field and the address hold.
#[must_use]
pub(super) fn field(at_s: i64) -> String {
    crate::components::moment::iso(at_s * 1_000)
        .trim_end_matches('Z')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Asked, ConsoleError> {
        let mut map = ParamsMap::new();
        for (key, value) in pairs {
            map.insert(*key, (*value).to_owned());
        }
        Asked::read(&map)
    }

    #[test]
    fn times_read_back() {
        for text in [
            "2026-11-24T22:11:03",
            "2026-11-24T22:11:03Z",
            "2026-11-24 22:11:03.250",
            "1795558263",
        ] {
            assert_eq!(instant(text), Some(1_795_558_263), "{text}");
        }
        assert_eq!(field(1_795_558_263), "2026-11-24T22:11:03");
        assert_eq!(instant("2026-11-24T22:11"), Some(1_795_558_260));
        for bad in [
            "",
            "yesterday",
            "2026-13-01T00:00",
            "2026-02-30T00:00",
            "2026-11-24T25:00",
            "2026-11-24",
            "-5",
        ] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_without_a_range_means_the_last_hour() {
        assert_eq!(read(&[]), Ok(Asked::Preset(RangePreset::Hour1)));
        assert_eq!(read(&[("range", "7d")]), Ok(Asked::Preset(RangePreset::Days7)));
        let absolute = read(&[("from", "2026-11-24T22:00"), ("to", "2026-11-24T23:00")]).unwrap();
        assert_eq!(absolute.at(0).seconds(), 3_600);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_way_out() {
        for pairs in [
            &[("range", "1y")][..],
            &[("from", "2026-11-24T22:00")],
            &[("from", "2026-11-24T22:00"), ("to", "2026-11-24T21:00")],
            &[("from", "x"), ("to", "2026-11-24T21:00")],
        ] {
            let error = read(pairs).unwrap_err();
            assert_eq!(error.status(), 400, "{error}");
        }
    }
}
