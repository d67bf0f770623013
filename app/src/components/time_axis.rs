//! The time axis of a picture that fits any width: places along it are shares of the width, so the server needs not know it.

use leptos::prelude::*;
use quarterdeck_domain::chart::time_ticks;

use super::moment::Zone;
use crate::live;

/// Where an instant stands between two others, as a share of the width: `12.34%`.
#[must_use]
pub fn place(at_ms: i64, from_ms: i64, to_ms: i64) -> String {
    format!("{:.2}%", share(at_ms, from_ms, to_ms))
}

/// How wide a stretch of time is, as a share of the width.
#[must_use]
pub fn width(begin_ms: i64, end_ms: i64, from_ms: i64, to_ms: i64) -> String {
    format!(
        "{:.2}%",
        share(end_ms, from_ms, to_ms) - share(begin_ms, from_ms, to_ms)
    )
}

#[allow(clippy::cast_precision_loss)]
fn share(at_ms: i64, from_ms: i64, to_ms: i64) -> f64 {
    at_ms.saturating_sub(from_ms).clamp(0, (to_ms - from_ms).max(0)) as f64 * 100.0
        / (to_ms - from_ms).max(1) as f64
}

/// What an axis is made of, as its `data-axis` attribute says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    from_ms: i64,
    to_ms: i64,
    /// The most labels.
    labels: usize,
    /// How high the lines are above the labels, CSS pixels.
    height: u32,
}

impl Axis {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let axis = Self {
            from_ms: parts.next()?.parse().ok()?,
            to_ms: parts.next()?.parse().ok()?,
            labels: parts.next()?.parse().ok()?,
            height: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(axis)
    }

    fn text(self) -> String {
        format!("{} {} {} {}", self.from_ms, self.to_ms, self.labels, self.height)
    }

    /// Lines and labels as SVG. The zone stands at the right end.
    fn draw(self, zone: Zone) -> String {
        let Self {
            from_ms,
            to_ms,
            height,
            ..
        } = self;
        let baseline = height + 15;
        let ticks = time_ticks(
            from_ms.div_euclid(1_000),
            to_ms.div_euclid(1_000),
            self.labels,
            zone.offset_s(),
        );
        let mut svg = String::new();
        for (i, tick) in ticks.into_iter().enumerate() {
            let at_ms = tick.at_s * 1_000;
            let x = place(at_ms, from_ms, to_ms);
            let line = if tick.day { "axis-day" } else { "axis-line" };
            svg.push_str(&format!(
                r#"<line class="{line}" x1="{x}" x2="{x}" y1="0" y2="{height}"/>"#
            ));
            // At an edge it would be cut off, or run into the zone.
            if (3.0..=91.0).contains(&share(at_ms, from_ms, to_ms)) {
                // Where there is little room every other one is left out.
                let narrow = if i % 2 == 1 { " axis-wide" } else { "" };
                svg.push_str(&format!(
                    r#"<text class="axis-label{narrow}" x="{x}" y="{baseline}" text-anchor="middle">{}</text>"#,
                    tick.label
                ));
            }
        }
        svg.push_str(&format!(
            r#"<text class="axis-label" x="100%" y="{baseline}" text-anchor="end">{}</text>"#,
            zone.label()
        ));
        svg
    }
}

/// Lines at round times, with their labels below: UTC from the server, rewritten to local time by [`localize_axes`].
#[component]
pub fn TimeAxis(
    /// Left end, Unix ms.
    from_ms: i64,
    /// Right end, Unix ms.
    to_ms: i64,
    /// The most labels.
    labels: usize,
    /// How high the lines are, CSS pixels; labels take 20 more.
    height: u32,
) -> impl IntoView {
    let axis = Axis {
        from_ms,
        to_ms,
        labels,
        height,
    };
    view! { <g class="axis" data-axis=axis.text() inner_html=axis.draw(Zone::Utc)></g> }
}

/// Draws every [`TimeAxis`] of the page anew, in a zone.
pub fn localize_axes(zone: Zone) {
    live::rewrite("[data-axis]", "data-axis", |text| {
        Axis::parse(text).map(|axis| axis.draw(zone))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2026-11-24 00:00:00 UTC.
    const T: i64 = 1_795_478_400_000;
    const AXIS: Axis = Axis {
        from_ms: T,
        to_ms: T + 86_400_000,
        labels: 10,
        height: 40,
    };

    #[test]
    fn places_are_shares_of_the_width() {
        assert_eq!(place(T + 21_600_000, T, T + 86_400_000), "25.00%");
        assert_eq!(place(T - 1, T, T + 86_400_000), "0.00%");
        assert_eq!(
            width(T - 5_000, T + 43_200_000, T, T + 86_400_000),
            "50.00%",
            "what lies outside is cut off"
        );
    }

    #[test]
    fn an_axis_is_read_back_and_drawn_in_another_zone() {
        assert_eq!(Axis::parse(&AXIS.text()), Some(AXIS));
        assert_eq!(Axis::parse("1 2 3"), None);
        let utc = AXIS.draw(Zone::Utc);
        assert!(
            utc.contains(r#"x="50.00%" y="55" text-anchor="middle">12:00</text>"#),
            "{utc}"
        );
        assert!(utc.ends_with(">UTC</text>"));
        let local = AXIS.draw(Zone::Local(19_800));
        assert!(
            local.contains(">12:00</text>") && local.ends_with(">UTC+5:30</text>"),
            "{local}"
        );
        assert!(!local.contains(r#"x="50.00%""#), "{local}");
    }
}
