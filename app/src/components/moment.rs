//! Points and stretches of time as a person reads them.
//!
//! The server and the first render in the browser write UTC, so that both say the same. After mount the islands
//! switch to the browser's own zone, and to relative times.

use leptos::prelude::*;
use time::{OffsetDateTime, UtcOffset};

use super::time_axis::localize_axes;
use crate::live;

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// UTC, and says so.
    #[default]
    Utc,
    /// The browser's own zone, seconds east of UTC.
    Local(i32),
}

impl Zone {
    /// Seconds east of UTC.
    #[must_use]
    pub const fn offset_s(self) -> i32 {
        match self {
            Self::Utc => 0,
            Self::Local(offset_s) => offset_s,
        }
    }

    /// What an axis is labelled with: `UTC`, or `UTC+05:30` for a local zone.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Utc | Self::Local(0) => "UTC".to_owned(),
            Self::Local(offset_s) => {
                let minutes = offset_s.abs() / 60;
                let sign = if offset_s < 0 { '−' } else { '+' };
                if minutes % 60 == 0 {
                    format!("UTC{sign}{}", minutes / 60)
                } else {
                    format!("UTC{sign}{}:{:02}", minutes / 60, minutes % 60)
                }
            }
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Utc => " UTC",
            Self::Local(_) => "",
        }
    }
}

/// What the page knows of the time: fixed on the server and at the first render, running after mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The console's time, Unix ms.
    pub now_ms: i64,
    /// How times are written.
    pub zone: Zone,
}

impl Clock {
    /// A clock that stands still at the time of rendering, until [`run_clock`] moves it.
    #[must_use]
    pub const fn at(now_ms: i64) -> Self {
        Self {
            now_ms,
            zone: Zone::Utc,
        }
    }
}

/// Keeps `clock` running in the browser, every five seconds: often enough to read, and calm.
pub fn run_clock(clock: RwSignal<Clock>) {
    Effect::new(move |_| {
        live::learn_time(clock.read_untracked().now_ms);
        let zone = Zone::Local(live::local_offset_s());
        live::every_second(move |now_ms| {
            let shown = clock.read_untracked().now_ms;
            if clock.read_untracked().zone != zone || now_ms.div_euclid(5_000) != shown.div_euclid(5_000) {
                clock.set(Clock { now_ms, zone });
            }
        });
    });
}

fn parts(at_ms: i64, zone: Zone) -> Option<OffsetDateTime> {
    let offset = UtcOffset::from_whole_seconds(zone.offset_s()).ok()?;
    Some(
        OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1_000))
            .ok()?
            .to_offset(offset),
    )
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn day(t: OffsetDateTime) -> String {
    format!("{} {}", t.day(), MONTHS[usize::from(u8::from(t.month()) - 1)])
}

/// `22:11:03 UTC`, or `23:11:03` in a local zone.
#[must_use]
pub fn clock_time(at_ms: i64, zone: Zone) -> String {
    parts(at_ms, zone).map_or_else(String::new, |t| {
        format!(
            "{:02}:{:02}:{:02}{}",
            t.hour(),
            t.minute(),
            t.second(),
            zone.suffix()
        )
    })
}

/// `24 Nov 2026, 22:11:03 UTC`.
#[must_use]
pub fn stamp(at_ms: i64, zone: Zone) -> String {
    parts(at_ms, zone).map_or_else(String::new, |t| {
        format!("{} {}, {}", day(t), t.year(), clock_time(at_ms, zone))
    })
}

/// `22:11 UTC` today, `23 Nov, 22:11 UTC` on another day than `now_ms`.
#[must_use]
pub fn short_stamp(at_ms: i64, now_ms: i64, zone: Zone) -> String {
    let Some(t) = parts(at_ms, zone) else {
        return String::new();
    };
    let time = format!("{:02}:{:02}{}", t.hour(), t.minute(), zone.suffix());
    match parts(now_ms, zone) {
        Some(now) if now.date() == t.date() => time,
        Some(_) | None => format!("{}, {time}", day(t)),
    }
}

/// `2026-11-24T22:11:03Z`, for the `datetime` attribute and for URLs.
#[must_use]
pub fn iso(at_ms: i64) -> String {
    parts(at_ms, Zone::Utc).map_or_else(String::new, |t| {
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    })
}

/// A length of time in its two largest parts: `45 s`, `12 min`, `3 h 05 min`, `4 d 2 h`.
#[must_use]
pub fn length(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h {:02} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// A limit of the configuration in words: `30 s`, `5 min`, `1 h`.
#[must_use]
pub fn limit(s: u64) -> String {
    match s {
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// A time outside of islands: UTC from the server, rewritten to local time by [`LocalTimes`].
#[component]
pub fn Time(
    /// Unix ms.
    at_ms: i64,
) -> impl IntoView {
    view! { <time datetime=iso(at_ms) data-local=at_ms.to_string()>{stamp(at_ms, Zone::Utc)}</time> }
}

/// Rewrites every [`Time`] and every axis of the page to the browser's zone.
pub fn localize() {
    let zone = Zone::Local(live::local_offset_s());
    live::rewrite("time[data-local]", "data-local", |at_ms| {
        at_ms.parse().ok().map(|at_ms| stamp(at_ms, zone))
    });
    localize_axes(zone);
}

/// [`localize`], once. What it rewrites stands outside of islands, so nothing is hydrated there that could disagree.
#[island]
pub fn LocalTimes() -> impl IntoView {
    Effect::new(move |_| localize());
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-11-24 22:11:03 UTC.
    const T: i64 = 1_795_558_263_000;

    #[test]
    fn times_say_their_zone() {
        assert_eq!(clock_time(T, Zone::Utc), "22:11:03 UTC");
        assert_eq!(clock_time(T, Zone::Local(19_800)), "03:41:03");
        assert_eq!(stamp(T, Zone::Utc), "24 Nov 2026, 22:11:03 UTC");
        assert_eq!(iso(T), "2026-11-24T22:11:03Z");
        assert_eq!(Zone::Local(19_800).label(), "UTC+5:30");
        assert_eq!(Zone::Local(-7_200).label(), "UTC−2");
    }

    #[test]
    fn another_day_is_named() {
        assert_eq!(short_stamp(T, T + 3_600_000, Zone::Utc), "22:11 UTC");
        assert_eq!(short_stamp(T, T + 7_200_000, Zone::Utc), "24 Nov, 22:11 UTC");
        // The same two instants are one day further east.
        assert_eq!(short_stamp(T, T + 7_200_000, Zone::Local(7_200)), "00:11");
    }

    #[test]
    fn lengths_have_two_parts_at_most() {
        let words: Vec<String> = [-5, 0, 59, 60, 3_599, 3_660, 90_000]
            .into_iter()
            .map(|s: i64| length(s * 1_000))
            .collect();
        assert_eq!(
            words,
            ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h 01 min", "1 d 1 h"]
        );
        assert_eq!(
            (limit(30), limit(120), limit(90), limit(3_600)),
            ("30 s".into(), "2 min".into(), "90 s".into(), "1 h".into())
        );
    }
}
