//! The recent past of a metric in the size of a word.

use leptos::prelude::*;
use quarterdeck_domain::{
    chart::{ValueScale, segments},
    health::{Thresholds, Unit},
};

use super::chart::axis_end;
use crate::view::health::{SPARK_POINTS, TileView};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 32.0;

/// The line of the recent past, its gaps kept, with the alert threshold (and the target, fainter) where they are
/// in reach. It repeats what the tile says in words, so it is hidden from screen readers.
#[component]
pub fn Sparkline(
    /// The tile it belongs to.
    #[prop(into)]
    tile: Signal<TileView>,
) -> impl IntoView {
    let drawing = Memo::new(move |_| tile.with(draw));
    view! {
        <svg
            class="spark"
            viewBox="0 0 120 32"
            preserveAspectRatio="none"
            aria-hidden="true"
            focusable="false"
        >
            <path class="spark-target" d=move || drawing.with(|d| d.target.clone())></path>
            <path class="spark-alert" d=move || drawing.with(|d| d.alert.clone())></path>
            <path class="spark-line" d=move || drawing.with(|d| d.line.clone())></path>
        </svg>
    }
}

/// Path data of the three lines; empty where there is nothing to draw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Drawing {
    target: String,
    alert: String,
    line: String,
}

fn draw(tile: &TileView) -> Drawing {
    let scale = scale(&tile.spark, &tile.thresholds, tile.unit);
    let y = |v: f64| (1.0 - scale.fraction(v)).mul_add(HEIGHT - 3.0, 1.5);
    let threshold = |v: f64| {
        if scale.contains(v) {
            format!("M0 {0:.1}H{WIDTH}", y(v))
        } else {
            String::new()
        }
    };
    #[allow(clippy::cast_precision_loss)]
    let last = (SPARK_POINTS - 1) as f64;
    // Right-aligned: the newest value stands at the right end also while the line is still short.
    #[allow(clippy::cast_precision_loss)]
    let first = last - (tile.spark.len() as f64 - 1.0).min(last);
    #[allow(clippy::cast_precision_loss)]
    let samples = tile.spark.iter().enumerate().map(|(i, v)| (first + i as f64, *v));
    let mut line = String::new();
    for segment in segments(samples, 1.0) {
        for (i, p) in segment.iter().enumerate() {
            let x = p.at_s / last * WIDTH;
            line.push_str(&format!(
                "{}{x:.1} {:.1}",
                if i == 0 { 'M' } else { 'L' },
                y(p.value)
            ));
        }
        if segment.len() == 1 {
            // A lone value would be invisible: with round caps a line of no length is a dot.
            line.push_str("h0");
        }
    }
    Drawing {
        target: tile.thresholds.target().map(threshold).unwrap_or_default(),
        alert: threshold(tile.thresholds.alert()),
        line,
    }
}

fn scale(spark: &[Option<f64>], thresholds: &Thresholds, unit: Unit) -> ValueScale {
    // A sparkline is for the shape: it shows a threshold once the values come near it.
    ValueScale::fit(spark.iter().flatten().copied(), thresholds, axis_end(unit), 6.0)
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::health::{Band, Direction};

    use super::*;

    fn tile(spark: Vec<Option<f64>>) -> TileView {
        TileView {
            id: "m".into(),
            title: "M".into(),
            unit: Unit::Milliseconds,
            thresholds: Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap(),
            actions: Vec::new(),
            band: Band::Ok,
            since_ms: None,
            reason: None,
            value: None,
            sampled_at_ms: None,
            member: None,
            pending: None,
            spark,
            spark_step_s: 15,
            spark_end_ms: None,
        }
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let drawing = draw(&tile(vec![Some(10.0), Some(20.0), None, Some(30.0)]));
        assert_eq!(drawing.line.matches('M').count(), 2);
        assert!(drawing.line.ends_with("h0"), "{}", drawing.line);
        // The newest value stands at the right end.
        assert!(drawing.line.contains("M120.0 "), "{}", drawing.line);
    }

    #[test]
    fn thresholds_out_of_reach_are_left_out() {
        let near = draw(&tile(vec![Some(40.0)]));
        assert!(!near.alert.is_empty() && !near.target.is_empty());
        let far = draw(&tile(vec![Some(1.0)]));
        assert!(far.alert.is_empty());
        let empty = draw(&tile(vec![None, None]));
        assert!(empty.line.is_empty() && !empty.alert.is_empty());
    }
}
