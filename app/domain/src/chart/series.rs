//! Lines and their gaps.

/// One sample of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Unix seconds.
    pub at_s: f64,
    /// The value, finite.
    pub value: f64,
}

/// A stretch of a line without a gap: at least one point, times ascending.
pub type Segment = Vec<Point>;

/// Splits samples into unbroken stretches. A sample that is missing or not a number, or a pause of more than
/// one and a half steps, is a gap: a chart must not draw a line through a time of which nothing is known.
#[must_use]
pub fn segments(samples: impl IntoIterator<Item = (f64, Option<f64>)>, step_s: f64) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    let mut open = false;
    let mut last_s = f64::NEG_INFINITY;
    for (at_s, value) in samples {
        let Some(value) = value.filter(|v| v.is_finite()) else {
            open = false;
            continue;
        };
        let point = Point { at_s, value };
        match out.last_mut() {
            Some(segment) if open && at_s - last_s <= step_s * 1.5 => segment.push(point),
            Some(_) | None => out.push(vec![point]),
        }
        open = true;
        last_s = at_s;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_break_the_line() {
        let samples = [
            (0.0, Some(1.0)),
            (5.0, Some(2.0)),
            (10.0, None),
            (15.0, Some(3.0)),
            (30.0, Some(4.0)),
            (35.0, Some(f64::NAN)),
        ];
        let lengths: Vec<usize> = segments(samples, 5.0).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1]);
        assert!(segments([], 5.0).is_empty());
    }
}
