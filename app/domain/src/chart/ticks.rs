//! Round numbers and round times for axes.

/// A label on the time axis.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeTick {
    /// Unix seconds.
    pub at_s: i64,
    /// What is written there, in the offset that was asked for.
    pub label: String,
    /// Whether a new day begins here: drawn stronger, labelled with the date.
    pub day: bool,
}

/// Round values inside `low..=high`, at most `max`, in steps of 1, 2, 2.5 or 5 times a power of ten.
#[must_use]
pub fn value_ticks(low: f64, high: f64, max: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || max == 0 {
        return Vec::new();
    }
    #[allow(clippy::cast_precision_loss)]
    let raw = span / max as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|s| *s >= raw)
        .unwrap_or(raw);
    let first = (low / step).ceil();
    (0..=max)
        .map(|i| {
            #[allow(clippy::cast_precision_loss)]
            let v = (first + i as f64) * step;
            // Not -0, and not 0.30000000000000004.
            let v = (v / step).round() * step;
            if v == 0.0 { 0.0 } else { v }
        })
        .take_while(|v| *v <= high + step * 1e-9)
        .take(max)
        .collect()
}

/// Round times inside `from_s..=to_s`, at most `max`, labelled in local time `offset_s` seconds east of UTC.
///
/// Steps are those of a clock face (1, 5, 15, 30 s; 1, 5, 15, 30 min; 1, 3, 6, 12 h; days), aligned to local
/// midnight. A label is `HH:MM`, with seconds for steps under a minute; where the day changes it is `D Mon`.
#[must_use]
pub fn time_ticks(from_s: i64, to_s: i64, max: usize, offset_s: i32) -> Vec<TimeTick> {
    const STEPS: [i64; 20] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800,
        604_800, 2_592_000,
    ];
    let span = to_s.saturating_sub(from_s);
    let Ok(max) = i64::try_from(max) else {
        return Vec::new();
    };
    if span <= 0 || max == 0 {
        return Vec::new();
    }
    let step = STEPS
        .into_iter()
        .find(|s| span / s < max)
        .unwrap_or(span / max + 1);
    let offset = i64::from(offset_s);
    let first = (from_s + offset).div_euclid(step) * step
        + if (from_s + offset).rem_euclid(step) == 0 {
            0
        } else {
            step
        };
    let mut ticks = Vec::new();
    let mut local = first;
    while local - offset <= to_s {
        let day = local.rem_euclid(86_400) == 0;
        ticks.push(TimeTick {
            at_s: local - offset,
            label: label(local, step, day),
            day,
        });
        local += step;
    }
    ticks
}

fn label(local_s: i64, step: i64, day: bool) -> String {
    let Ok(t) = time::OffsetDateTime::from_unix_timestamp(local_s) else {
        return String::new();
    };
    if day || step >= 86_400 {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        return format!("{} {}", t.day(), MONTHS[usize::from(u8::from(t.month()) - 1)]);
    }
    if step < 60 {
        format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
    } else {
        format!("{:02}:{:02}", t.hour(), t.minute())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_round() {
        assert_eq!(value_ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(
            value_ticks(0.0, 1.06, 6),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert!(value_ticks(1.0, 1.0, 5).is_empty());
        assert!(value_ticks(f64::NAN, 1.0, 5).is_empty());
    }

    #[test]
    fn times_are_those_of_a_clock() {
        // 2026-01-02 23:50 UTC, half an hour.
        let from = 1_767_397_800;
        let labels: Vec<String> = time_ticks(from, from + 1_800, 7, 0)
            .into_iter()
            .map(|t| t.label)
            .collect();
        assert_eq!(
            labels,
            ["23:50", "23:55", "3 Jan", "00:05", "00:10", "00:15", "00:20"]
        );
        // The same instants in India stand at half hours.
        let labels: Vec<String> = time_ticks(from, from + 7_200, 3, 19_800)
            .into_iter()
            .map(|t| t.label)
            .collect();
        assert_eq!(labels, ["06:00", "07:00"]);
    }

    proptest! {
        #[test]
        fn ticks_stay_inside(from in 0i64..2_000_000_000, span in 10i64..32_000_000, max in 2usize..15, offset in -43_200i32..50_400) {
            let ticks = time_ticks(from, from + span, max, offset);
            prop_assert!(ticks.len() <= max + 1);
            prop_assert!(ticks.iter().all(|t| t.at_s >= from && t.at_s <= from + span));
            prop_assert!(ticks.windows(2).all(|w| w[0].at_s < w[1].at_s));
        }

        #[test]
        fn value_ticks_stay_inside(low in -1e6f64..1e6, span in 1e-3f64..1e6, max in 1usize..12) {
            let ticks = value_ticks(low, low + span, max);
            prop_assert!(ticks.len() <= max);
            prop_assert!(ticks.iter().all(|t| *t >= low - span * 1e-6 && *t <= low + span * (1.0 + 1e-6)));
        }
    }
}
