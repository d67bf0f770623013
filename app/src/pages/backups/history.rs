//! What a figure was over time, against its target: bars for what is always known, dots for what was measured now and then.

use leptos::prelude::*;

use crate::components::{
    moment::{Zone, length, limit, short_stamp},
    time_axis::{TimeAxis, place, width},
};

/// Height of the picture above its labels, CSS pixels.
const HEIGHT: i64 = 92;
/// Room above the highest value, for the target's words.
const TOP: i64 = 14;
const LABELS: usize = 7;

/// The height of a value: what is above the scale ends at its top.
const fn y(value_ms: i64, most_ms: i64) -> i64 {
    let most = if most_ms > 0 { most_ms } else { 1 };
    let value = if value_ms < most { value_ms } else { most };
    HEIGHT - value * (HEIGHT - TOP) / most
}

/// What a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// The worst of its time, ms.
    Worst(i64),
    /// At some moment of its time it was not known, which is worse than any figure.
    Unknown,
    /// Nothing was written down.
    Nothing,
}

/// Slots of equal length, the oldest first.
fn slots(points: &[(i64, Option<i64>)], from_ms: i64, slot_ms: i64, count: usize) -> Vec<Slot> {
    let mut slots = vec![Slot::Nothing; count];
    for (at_ms, value) in points {
        let Ok(index) = usize::try_from((at_ms - from_ms).div_euclid(slot_ms)) else {
            continue;
        };
        let Some(slot) = slots.get_mut(index) else {
            continue;
        };
        *slot = match (*slot, value) {
            (Slot::Unknown, _) | (_, None) => Slot::Unknown,
            (Slot::Worst(worst), Some(value)) => Slot::Worst(worst.max(*value)),
            (Slot::Nothing, Some(value)) => Slot::Worst(*value),
        };
    }
    slots
}

/// The line of the target, and its words.
#[component]
fn Target(target_ms: i64, most_ms: i64) -> impl IntoView {
    let at = y(target_ms, most_ms);
    let words = format!("target {}", limit(u64::try_from(target_ms / 1_000).unwrap_or(0)));
    view! {
        <g class="history-target">
            <line x1="0" x2="100%" y1=at.to_string() y2=at.to_string()></line>
            <text x="0" y=(at - 4).to_string()>{words}</text>
        </g>
    }
}

/// How many bars a day has.
const BARS: usize = 96;

/// The last day, a bar every quarter of an hour: the worst of it.
#[component]
pub(super) fn Bars(
    /// Unix ms, and ms or nothing where it was not known.
    points: Vec<(i64, Option<i64>)>,
    /// What has to be reached, ms.
    target_ms: i64,
    /// The right end, Unix ms.
    now_ms: i64,
) -> impl IntoView {
    const SLOT_MS: i64 = 15 * 60_000;
    let to_ms = (now_ms / SLOT_MS + 1) * SLOT_MS;
    let from_ms = to_ms - SLOT_MS * i64::try_from(BARS).unwrap_or(i64::MAX / SLOT_MS);
    let slots = slots(&points, from_ms, SLOT_MS, BARS);
    let worst = slots.iter().filter_map(|slot| match slot {
        Slot::Worst(worst) => Some(*worst),
        Slot::Unknown | Slot::Nothing => None,
    });
    let most = worst.clone().max();
    let most_ms = most.unwrap_or(0).max(target_ms) * 21 / 20;
    let over = worst.filter(|worst| *worst > target_ms).count();
    let unknown = slots.iter().filter(|slot| **slot == Slot::Unknown).count();
    let summary = match most {
        Some(most) => format!(
            "The last 24 hours by quarters of an hour: at most {}; above the target in {over} of them, not known in {unknown}.",
            length(most)
        ),
        None => "Nothing is known of the last 24 hours.".to_owned(),
    };
    let bars = slots
        .into_iter()
        .zip((0..).map(|i| from_ms + i * SLOT_MS))
        .map(|(slot, at_ms)| {
            let (class, top, lasts_ms, words) = match slot {
                Slot::Nothing => return ().into_any(),
                Slot::Unknown => ("history-unknown", TOP, SLOT_MS, "not known".to_owned()),
                Slot::Worst(worst) => {
                    let class = if worst > target_ms {
                        "history-over"
                    } else {
                        "history-bar"
                    };
                    (
                        class,
                        y(worst, most_ms).min(HEIGHT - 1),
                        SLOT_MS * 4 / 5,
                        length(worst),
                    )
                }
            };
            let title = format!("{}: {words}", short_stamp(at_ms, now_ms, Zone::Utc));
            view! {
                <rect
                    class=class
                    x=place(at_ms, from_ms, to_ms)
                    width=width(at_ms, at_ms + lasts_ms, from_ms, to_ms)
                    y=top.to_string()
                    height=(HEIGHT - top).to_string()
                >
                    <title>{title}</title>
                </rect>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <svg class="history" role="img" aria-label=summary width="100%" height=(HEIGHT + 20).to_string()>
            <TimeAxis from_ms to_ms labels=LABELS height=u32::try_from(HEIGHT).unwrap_or(0) />
            {bars}
            <Target target_ms most_ms />
        </svg>
    }
}

/// What was measured now and then: a dot each.
#[component]
pub(super) fn Dots(
    /// Unix ms, and ms.
    points: Vec<(i64, i64)>,
    /// What has to be reached, ms.
    target_ms: i64,
    /// The right end, Unix ms.
    now_ms: i64,
) -> impl IntoView {
    const WEEK_MS: i64 = 7 * 86_400_000;
    let from_ms = points
        .iter()
        .map(|point| point.0)
        .min()
        .map_or(now_ms - WEEK_MS, |first| first.min(now_ms - WEEK_MS));
    // A dot at an edge is not cut in half.
    let margin = (now_ms - from_ms) / 40;
    let (from_ms, to_ms) = (from_ms - margin, now_ms + margin);
    let most = points.iter().map(|point| point.1).max();
    let most_ms = most.unwrap_or(0).max(target_ms) * 21 / 20;
    let summary = match (points.len(), most) {
        (n, Some(most)) => {
            let over = points.iter().filter(|point| point.1 > target_ms).count();
            format!(
                "{n} drills: at most {}; above the target {over} times.",
                length(most)
            )
        }
        (_, None) => "No drill has measured anything.".to_owned(),
    };
    let dots = points
        .into_iter()
        .map(|(at_ms, value)| {
            let class = if value > target_ms {
                "history-over"
            } else {
                "history-dot"
            };
            let title = format!("{}: {}", short_stamp(at_ms, now_ms, Zone::Utc), length(value));
            let (x, top) = (place(at_ms, from_ms, to_ms), y(value, most_ms).to_string());
            view! {
                <g class=class>
                    <title>{title}</title>
                    <line x1=x.clone() x2=x.clone() y1=top.clone() y2=HEIGHT.to_string()></line>
                    <circle cx=x cy=top r="4"></circle>
                </g>
            }
        })
        .collect_view();
    view! {
        <svg class="history" role="img" aria-label=summary width="100%" height=(HEIGHT + 20).to_string()>
            <TimeAxis from_ms to_ms labels=LABELS height=u32::try_from(HEIGHT).unwrap_or(0) />
            {dots}
            <Target target_ms most_ms />
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_slot_stands_and_the_unknown_is_worse_than_any_figure() {
        let points = [
            (0, Some(5)),
            (3, Some(9)),
            (9, Some(2)),
            (12, None),
            (13, Some(1)),
            (-4, Some(99)),
            (40, Some(99)),
        ];
        assert_eq!(
            slots(&points, 0, 10, 4),
            [Slot::Worst(9), Slot::Unknown, Slot::Nothing, Slot::Nothing]
        );
    }

    #[test]
    fn heights_keep_inside_the_picture() {
        assert_eq!(y(0, 100), HEIGHT);
        assert_eq!(y(100, 100), TOP);
        assert_eq!(y(500, 100), TOP);
        assert_eq!(y(1, 0), TOP);
    }
}
