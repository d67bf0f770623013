//! The drawing itself, the lowest layer first: bands, grid, lines, thresholds.

use std::io;

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    element::{Circle, PathElement, Polygon, Rectangle},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, Color, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea,
        SVGBackend,
    },
    style::{
        IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};
use quarterdeck_domain::{
    chart::{Segment, ValueScale, segments, time_ticks},
    health::Direction,
};

use super::{
    ChartInput, MAX_LINES, PlotArea,
    backend::{Backend, Ink, SUBPIXELS, finish},
};

type Error = DrawingAreaErrorKind<io::Error>;
type Root<'a> = DrawingArea<Backend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, Backend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a chart as SVG: bands shaded, threshold lines labelled, a time axis of round times, one line a member with
/// its gaps. No `style` attribute, no script, no identifier; looks come from classes.
///
/// The same input gives the same text everywhere. Empty if the picture is too small to hold a chart.
#[must_use]
pub fn render_chart(input: &ChartInput<'_>) -> String {
    let plot = input.plot();
    if plot.right - plot.left < 40.0 || plot.bottom - plot.top < 40.0 {
        return String::new();
    }
    let mut svg = String::with_capacity(16_384);
    let size = (
        input.width * SUBPIXELS.unsigned_abs(),
        input.height * SUBPIXELS.unsigned_abs(),
    );
    let drawn = draw(Backend(SVGBackend::with_string(&mut svg, size)), input, plot);
    match drawn {
        // The outer size in CSS pixels, the inner one in quarters of them.
        Ok(()) => finish(&svg).replacen(
            &format!("width=\"{}\" height=\"{}\"", size.0, size.1),
            &format!("width=\"{}\" height=\"{}\"", input.width, input.height),
            1,
        ),
        // Writing into a String cannot fail; and half a picture would be worse than none.
        Err(_) => String::new(),
    }
}

#[allow(clippy::cast_precision_loss)]
fn draw(backend: Backend<'_>, input: &ChartInput<'_>, plot: PlotArea) -> Result<(), Error> {
    let root = backend.into_drawing_area();
    let scale = input.scale();
    let (from, to) = (input.range.from_s as f64, input.range.to_s as f64);
    let mut chart = ChartBuilder::on(&root)
        .margin_left(units(plot.left))
        .margin_top(units(plot.top))
        .margin_right(units(f64::from(input.width) - plot.right))
        .margin_bottom(units(f64::from(input.height) - plot.bottom))
        .build_cartesian_2d(from..to, scale.low()..scale.high())?;
    bands(&mut chart, input, &scale)?;
    axes(&root, &mut chart, input, plot, &scale)?;
    let lines = lines(&mut chart, input, &scale)?;
    thresholds(&root, &mut chart, input, plot, &scale)?;
    if lines == 0 {
        let middle = (
            f64::midpoint(plot.left, plot.right),
            f64::midpoint(plot.top, plot.bottom),
        );
        text(
            &root,
            "Nothing was recorded in this time",
            middle,
            HPos::Center,
            VPos::Center,
            Ink::Empty,
        )?;
    }
    root.present()
}

#[allow(clippy::cast_possible_truncation)]
fn units(px: f64) -> i32 {
    (px * f64::from(SUBPIXELS)).round() as i32
}

fn text(root: &Root<'_>, text: &str, at: (f64, f64), h: HPos, v: VPos, ink: Ink) -> Result<(), Error> {
    // The size is set by the stylesheet; this one is for viewers without it. plotters draws text smaller than told.
    let font = ("sans-serif", 11.0 * 1.24 * f64::from(SUBPIXELS)).into_font();
    let color = ink.color();
    let style = TextStyle::from(font).color(&color).pos(Pos::new(h, v));
    root.draw_text(text, &style, (units(at.0), units(at.1)))
}

/// Where a value stands in the picture, CSS pixels from its top.
fn y_of(value: f64, plot: PlotArea, scale: &ValueScale) -> f64 {
    scale.fraction(value).mul_add(plot.top - plot.bottom, plot.bottom)
}

fn bands(chart: &mut Chart<'_, '_>, input: &ChartInput<'_>, scale: &ValueScale) -> Result<(), Error> {
    let clamp = |v: f64| v.clamp(scale.low(), scale.high());
    let alert = input.thresholds.alert();
    let end = match input.thresholds.direction() {
        Direction::LowerIsBetter => scale.high(),
        Direction::HigherIsBetter => scale.low(),
    };
    let target = input.thresholds.target().unwrap_or(alert);
    for (a, b, ink) in [(target, alert, Ink::DegradedBand), (alert, end, Ink::AlertBand)] {
        let (low, high) = (clamp(a.min(b)), clamp(a.max(b)));
        // Only what is inside the picture, and not where the alert lies beyond its end.
        let beyond = (alert > scale.high() || alert < scale.low()) && ink == Ink::AlertBand;
        if high > low && !beyond {
            chart.draw_series([Rectangle::new(
                [(time(input.range.from_s), high), (time(input.range.to_s), low)],
                ink.color().filled(),
            )])?;
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
const fn time(at_s: i64) -> f64 {
    at_s as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn axes(
    root: &Root<'_>,
    chart: &mut Chart<'_, '_>,
    input: &ChartInput<'_>,
    plot: PlotArea,
    scale: &ValueScale,
) -> Result<(), Error> {
    let (from, to) = (input.range.from_s, input.range.to_s);
    for value in input.value_ticks(plot.bottom - plot.top) {
        chart.draw_series([PathElement::new(
            [(time(from), value), (time(to), value)],
            Ink::Grid.color(),
        )])?;
        let label = input.unit.threshold(value);
        text(
            root,
            &label,
            (plot.left - 8.0, y_of(value, plot, scale)),
            HPos::Right,
            VPos::Center,
            Ink::Label,
        )?;
    }
    let offset_s = input.zone.offset_s();
    for tick in time_ticks(from, to, ((plot.right - plot.left) / 84.0) as usize, offset_s) {
        let ink = if tick.day { Ink::Day } else { Ink::Grid };
        let at = time(tick.at_s);
        chart.draw_series([PathElement::new(
            [(at, scale.low()), (at, scale.high())],
            ink.color(),
        )])?;
        let x = ((at - time(from)) / (time(to) - time(from))).mul_add(plot.right - plot.left, plot.left);
        // A label at the very edge would be cut off, or run into the name of the zone.
        if x > plot.left + 18.0 && x < f64::from(input.width) - 22.0 {
            text(
                root,
                &tick.label,
                (x, plot.bottom + 8.0),
                HPos::Center,
                VPos::Top,
                Ink::Label,
            )?;
        }
    }
    text(
        root,
        &input.zone.label(),
        (plot.left - 8.0, plot.bottom + 8.0),
        HPos::Right,
        VPos::Top,
        Ink::Label,
    )
}

/// Draws the lines, the first (the worst) on top; gives how many stretches were drawn.
fn lines(chart: &mut Chart<'_, '_>, input: &ChartInput<'_>, scale: &ValueScale) -> Result<usize, Error> {
    let range = input.range;
    let floor = scale.low();
    let alone = range.lines.len() == 1;
    let mut drawn = 0;
    for (i, line) in range.lines.iter().enumerate().take(MAX_LINES).rev() {
        let ink = Ink::Line(u8::try_from(i).unwrap_or_default());
        #[allow(clippy::cast_precision_loss)]
        let samples = line
            .values
            .iter()
            .enumerate()
            .map(|(k, v)| (time(range.from_s) + k as f64 * time(range.step_s), *v));
        for segment in segments(samples, time(range.step_s)) {
            drawn += 1;
            match segment.as_slice() {
                [only] => {
                    chart.draw_series([Circle::new(
                        (only.at_s, only.value),
                        SUBPIXELS * 2,
                        ink.color().filled(),
                    )])?;
                }
                _ => {
                    if alone {
                        chart
                            .draw_series([Polygon::new(area(&segment, floor), Ink::Area.color().filled())])?;
                    }
                    let points: Vec<_> = segment.iter().map(|p| (p.at_s, p.value)).collect();
                    chart.draw_series([PathElement::new(points, ink.color())])?;
                }
            }
        }
    }
    Ok(drawn)
}

fn area(segment: &Segment, floor: f64) -> Vec<(f64, f64)> {
    let mut corners: Vec<_> = segment.iter().map(|p| (p.at_s, p.value)).collect();
    corners.extend(segment.last().map(|p| (p.at_s, floor)));
    corners.extend(segment.first().map(|p| (p.at_s, floor)));
    corners
}

fn thresholds(
    root: &Root<'_>,
    chart: &mut Chart<'_, '_>,
    input: &ChartInput<'_>,
    plot: PlotArea,
    scale: &ValueScale,
) -> Result<(), Error> {
    let t = input.thresholds;
    let (from, to) = (time(input.range.from_s), time(input.range.to_s));
    let all = [
        t.target()
            .map(|v| (v, Ink::Target, format!("target {}", t.target_text(input.unit)))),
        Some((
            t.alert(),
            Ink::Alert,
            format!("alert {}", t.alert_text(input.unit)),
        )),
    ];
    // Labels stand on the far side of their line, seen from the healthy values; two that share a place don't overlap.
    let mut outside = 0.0;
    for (value, ink, label) in all.into_iter().flatten() {
        if scale.contains(value) {
            chart.draw_series([PathElement::new([(from, value), (to, value)], ink.color())])?;
            let y = y_of(value, plot, scale);
            let above =
                y - plot.top > 16.0 && t.direction() == Direction::LowerIsBetter || plot.bottom - y < 16.0;
            let (y, v) = if above {
                (y - 4.0, VPos::Bottom)
            } else {
                (y + 5.0, VPos::Top)
            };
            text(root, &label, (plot.right - 6.0, y), HPos::Right, v, ink)?;
        } else {
            let y = plot.top + 4.0 + outside;
            outside += 15.0;
            text(
                root,
                &format!("{label}, above this chart"),
                (plot.right - 6.0, y),
                HPos::Right,
                VPos::Top,
                ink,
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quarterdeck_domain::health::{Thresholds, Unit};

    use super::*;
    use crate::{
        components::moment::Zone,
        view::health::{LineView, RangeView},
    };

    fn range(lines: Vec<Vec<Option<f64>>>) -> RangeView {
        let points = i64::try_from(lines.first().map_or(1, Vec::len)).unwrap();
        let from_s = 1_795_550_000;
        RangeView {
            from_s,
            to_s: from_s + (points - 1) * 15,
            step_s: 15,
            lines: lines
                .into_iter()
                .enumerate()
                .map(|(i, values)| LineView {
                    name: Some(format!("pod-{i}")),
                    values,
                })
                .collect(),
            left_out: 0,
        }
    }

    fn svg(range: &RangeView, thresholds: &Thresholds) -> String {
        render_chart(&ChartInput {
            width: 800,
            height: 300,
            range,
            unit: Unit::Milliseconds,
            thresholds,
            zone: Zone::Utc,
        })
    }

    fn thresholds() -> Thresholds {
        Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap()
    }

    #[test]
    fn the_same_input_gives_the_same_picture() {
        let range = range(vec![(0..60).map(|i| Some(f64::from(i) * 1.7)).collect()]);
        let first = svg(&range, &thresholds());
        assert_eq!(first, svg(&range, &thresholds()));
        assert!(first.starts_with("<svg class=\"chart-svg\""), "{}", &first[..80]);
        assert!(
            first.contains("width=\"800\" height=\"300\" viewBox=\"0 0 3200 1200\""),
            "{}",
            &first[..200]
        );
    }

    #[test]
    fn nothing_in_it_offends_the_content_security_policy() {
        let range = range(vec![vec![Some(1.0), Some(2.0)], vec![Some(3.0), None]]);
        let svg = svg(&range, &thresholds());
        assert!(
            !svg.contains("style=") && !svg.contains("<script") && !svg.contains("#0100"),
            "{svg}"
        );
    }

    #[test]
    fn thresholds_are_drawn_and_labelled() {
        let svg = svg(&range(vec![vec![Some(40.0); 60]]), &thresholds());
        for part in [
            "class=\"target\"",
            "class=\"alert\"",
            "target &lt; 50 ms",
            "alert &gt; 100 ms",
            "degraded-band",
            "alert-band",
        ] {
            assert!(svg.contains(part), "{part} is missing: {svg}");
        }
    }

    #[test]
    fn a_threshold_beyond_the_chart_is_said() {
        let svg = svg(&range(vec![vec![Some(0.5); 60]]), &thresholds());
        assert!(svg.contains("alert &gt; 100 ms, above this chart"), "{svg}");
        assert!(!svg.contains("alert-band"));
    }

    #[test]
    fn a_gap_stays_a_gap_and_a_lone_value_is_a_dot() {
        let mut values = vec![Some(10.0); 20];
        values[5] = None;
        values[15] = None;
        values[17] = None;
        let svg = svg(&range(vec![values]), &thresholds());
        assert_eq!(svg.matches("class=\"line line-1\"").count(), 4, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1);
    }

    #[test]
    fn an_empty_chart_says_so() {
        let svg = svg(&range(vec![vec![None; 10]]), &thresholds());
        assert!(svg.contains("Nothing was recorded in this time"));
        assert!(svg.contains("alert &gt; 100 ms"));
        let none = RangeView {
            lines: vec![],
            ..range(vec![vec![None; 10]])
        };
        assert!(self::svg(&none, &thresholds()).contains("Nothing was recorded"));
    }

    #[test]
    fn members_have_classes_of_their_own() {
        let svg = svg(
            &range((0..14).map(|i| vec![Some(f64::from(i)); 10]).collect()),
            &thresholds(),
        );
        for i in 1..=12 {
            assert!(svg.contains(&format!("class=\"line line-{i}\"")));
        }
        assert!(!svg.contains("line-13"));
    }
}
