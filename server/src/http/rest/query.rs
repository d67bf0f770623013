//! The range that a call asks for.

use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::chart::{RangePreset, TimeRange};
use serde::Deserialize;
use utoipa::IntoParams;

/// A range by name (`?range=1h`) or by its ends (`?from=…&to=…`, Unix seconds); the last hour without either.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub struct RangeQuery {
    /// `15m`, `1h`, `6h`, `24h`, `7d` or `30d`, up to now.
    pub range: Option<String>,
    /// Start, Unix seconds.
    pub from: Option<i64>,
    /// End, Unix seconds; now if it is left out.
    pub to: Option<i64>,
    /// The most points a line, 2 to 2000; 600 if it is left out.
    pub max_points: Option<u32>,
}

impl RangeQuery {
    /// What is asked for.
    ///
    /// # Errors
    /// [`ConsoleError::BadRequest`], which says what to change.
    pub fn resolve(&self, now_ms: i64) -> Result<(TimeRange, u32), ConsoleError> {
        let bad = |text: String| ConsoleError::BadRequest(text);
        let now_s = now_ms.div_euclid(1_000);
        let points = self.max_points.unwrap_or(600);
        if !(2..=2_000).contains(&points) {
            return Err(bad(format!(
                "max_points is {points}; it must lie between 2 and 2000"
            )));
        }
        let range = match (&self.range, self.from) {
            (Some(_), Some(_)) => return Err(bad("both range and from are given; give one of them".into())),
            (Some(name), None) => {
                let preset = RangePreset::parse(name).ok_or_else(|| {
                    bad(format!(
                        "the range {name:?} is not known; use 15m, 1h, 6h, 24h, 7d or 30d"
                    ))
                })?;
                TimeRange::ending(preset, now_s)
            }
            (None, Some(from)) => {
                TimeRange::new(from, self.to.unwrap_or(now_s)).map_err(|e| bad(e.to_string()))?
            }
            (None, None) if self.to.is_some() => {
                return Err(bad("to is given without from; give both".into()));
            }
            (None, None) => TimeRange::ending(RangePreset::Hour1, now_s),
        };
        Ok((range, points))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(query: RangeQuery) -> Result<(i64, i64, u32), String> {
        query
            .resolve(10_000_000)
            .map(|(r, p)| (r.from_s(), r.to_s(), p))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn ranges_come_by_name_or_by_their_ends() {
        assert_eq!(resolve(RangeQuery::default()), Ok((6_400, 10_000, 600)));
        assert_eq!(
            resolve(RangeQuery {
                range: Some("15m".into()),
                ..Default::default()
            }),
            Ok((9_100, 10_000, 600))
        );
        assert_eq!(
            resolve(RangeQuery {
                from: Some(100),
                to: Some(200),
                ..Default::default()
            }),
            Ok((100, 200, 600))
        );
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        let refused = |q| resolve(q).unwrap_err();
        assert!(
            refused(RangeQuery {
                range: Some("1y".into()),
                ..Default::default()
            })
            .contains("use 15m")
        );
        assert!(
            refused(RangeQuery {
                from: Some(200),
                to: Some(100),
                ..Default::default()
            })
            .contains("ends before it starts")
        );
        assert!(
            refused(RangeQuery {
                to: Some(100),
                ..Default::default()
            })
            .contains("without from")
        );
        assert!(
            refused(RangeQuery {
                max_points: Some(1),
                ..Default::default()
            })
            .contains("between 2 and 2000")
        );
        let both = RangeQuery {
            range: Some("1h".into()),
            from: Some(1),
            ..Default::default()
        };
        assert!(refused(both).contains("one of them"));
    }
}
