//! Reads what a PromQL engine answers. Pure: bytes in, samples or an error out, whatever the bytes are.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Visitor},
};
use time::OffsetDateTime;

use super::{
    http_source::{SourceError, excerpt},
    prometheus::{Labels, Sample, Series},
};

/// What every answer of `/api/v1` is wrapped in.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Envelope<T> {
    status: String,
    #[serde(default = "none")]
    data: Option<T>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

const fn none<T>() -> Option<T> {
    None
}

/// Takes the payload out of an answer. Statuses 400 and 422 are refusals of the query if the engine says so
/// itself, and not a proxy before it.
pub(super) fn unwrap<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, SourceError> {
    let refused = matches!(status, 400 | 422);
    if !refused && !(200..300).contains(&status) {
        return Err(SourceError::HttpStatus {
            status,
            message: engine_error(body),
        });
    }
    let envelope: Envelope<T> = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(_) if refused => {
            return Err(SourceError::HttpStatus {
                status,
                message: excerpt(body),
            });
        }
        Err(error) => return Err(malformed(error)),
    };
    for warning in &envelope.warnings {
        tracing::debug!(warning, "the PromQL engine warns");
    }
    match (envelope.status.as_str(), envelope.data) {
        ("success", Some(data)) if !refused => Ok(data),
        ("error", _) => {
            let message = envelope.error.unwrap_or_else(|| "it gives no reason".to_owned());
            match envelope.error_type.as_deref() {
                Some("timeout" | "canceled" | "internal" | "unavailable") => {
                    Err(SourceError::HttpStatus { status, message })
                }
                Some(_) | None => Err(SourceError::BadQuery { message }),
            }
        }
        ("success", None) => Err(SourceError::Malformed {
            message: "it has no data".to_owned(),
        }),
        (_, _) => Err(SourceError::HttpStatus {
            status,
            message: excerpt(body),
        }),
    }
}

/// The engine's own words if it has some, or the beginning of the body.
fn engine_error(body: &[u8]) -> String {
    let envelope: Option<Envelope<de::IgnoredAny>> = serde_json::from_slice(body).ok();
    envelope.and_then(|e| e.error).unwrap_or_else(|| excerpt(body))
}

fn malformed(error: impl fmt::Display) -> SourceError {
    SourceError::Malformed {
        message: error.to_string(),
    }
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum QueryData {
    Vector(Vec<RawSample>),
    Matrix(Vec<RawSeries>),
    Scalar(Point),
    String(de::IgnoredAny),
}

#[derive(Deserialize)]
struct RawSample {
    #[serde(default)]
    metric: Labels,
    /// Not there for a native histogram.
    #[serde(default)]
    value: Option<Point>,
    #[serde(default)]
    histogram: Option<(f64, de::IgnoredAny)>,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: Labels,
    #[serde(default)]
    values: Vec<Point>,
}

/// `[1700000000.123, "1.5"]`.
#[derive(Deserialize)]
struct Point(f64, #[serde(deserialize_with = "number")] f64);

/// A number as text (`"NaN"`, `"+Inf"`), or, as some engines have it, as a number.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = f64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, as text or as it is")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
            text.parse()
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sample is a float to the engine, too"
        )]
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sample is a float to the engine, too"
        )]
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }
    }
    deserializer.deserialize_any(Number)
}

/// Unix seconds as a time, to the millisecond; `None` beyond what a calendar holds.
pub(super) fn instant_of(seconds: f64) -> Option<OffsetDateTime> {
    let ms = unix_ms(seconds)?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
}

/// Unix seconds as Unix milliseconds; `None` for what is not a time.
#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
fn unix_ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    (ms.is_finite() && ms.abs() < 9e15).then_some(ms as i64)
}

/// The samples of an instant query. A scalar is one sample without labels; a native histogram, which has no
/// single value, is NaN.
pub(super) fn instant(status: u16, body: &[u8]) -> Result<Vec<Sample>, SourceError> {
    let sample = |labels, seconds, value| {
        let at = instant_of(seconds).ok_or_else(|| malformed(format!("{seconds} is not a time")))?;
        Ok(Sample { labels, value, at })
    };
    match unwrap(status, body)? {
        QueryData::Vector(samples) => samples
            .into_iter()
            .map(|raw| match (raw.value, raw.histogram) {
                (Some(Point(seconds, value)), _) => sample(raw.metric, seconds, value),
                (None, Some((seconds, _))) => sample(raw.metric, seconds, f64::NAN),
                (None, None) => Err(malformed("a sample has no value")),
            })
            .collect(),
        QueryData::Scalar(Point(seconds, value)) => Ok(vec![sample(BTreeMap::new(), seconds, value)?]),
        QueryData::Matrix(_) => Err(unexpected("a range of samples", "one sample a series")),
        QueryData::String(_) => Err(unexpected("a text", "a number")),
    }
}

/// The lines of a range query.
pub(super) fn range(status: u16, body: &[u8]) -> Result<Vec<Series>, SourceError> {
    match unwrap(status, body)? {
        QueryData::Matrix(series) => series
            .into_iter()
            .map(|raw| {
                let points = raw.values.into_iter().map(|Point(seconds, value)| {
                    unix_ms(seconds)
                        .map(|at_ms| (at_ms, value))
                        .ok_or_else(|| malformed(format!("{seconds} is not a time")))
                });
                Ok(Series {
                    labels: raw.metric,
                    points: points.collect::<Result<_, _>>()?,
                })
            })
            .collect(),
        QueryData::Vector(_) | QueryData::Scalar(_) => {
            Err(unexpected("single samples", "a range of samples"))
        }
        QueryData::String(_) => Err(unexpected("a text", "a range of samples")),
    }
}

fn unexpected(got: &str, hoped_for: &str) -> SourceError {
    malformed(format!("it holds {got} where {hoped_for} was asked for"))
}

/// Text that may be absent, null or of another type, none of which matters enough to refuse an answer.
pub(super) fn lenient_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().map(ToOwned::to_owned))
}

/// A time in RFC 3339, as Prometheus and Alertmanager write it.
pub(super) fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
        .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a time in RFC 3339"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn vector(value: &str) -> Vec<u8> {
        let body = json!({"status": "success", "data": {"resultType": "vector", "result":
            [{"metric": {"pod": "a"}, "value": [1_700_000_000.123, value]}]}});
        body.to_string().into_bytes()
    }

    #[test]
    fn samples_are_read_with_their_oddities() {
        let read = |text: &str| instant(200, &vector(text)).unwrap().remove(0).value;
        assert_eq!(read("1.5"), 1.5);
        assert_eq!(read("1e3"), 1000.0);
        assert!(read("NaN").is_nan());
        assert_eq!(read("+Inf"), f64::INFINITY);
        assert_eq!(read("-Inf"), f64::NEG_INFINITY);
        let sample = instant(200, &vector("1")).unwrap().remove(0);
        assert_eq!(sample.labels.get("pod").map(String::as_str), Some("a"));
        assert_eq!(sample.at.unix_timestamp_nanos(), 1_700_000_000_123_000_000);
        assert!(matches!(
            instant(200, &vector("one")),
            Err(SourceError::Malformed { .. })
        ));
    }

    #[test]
    fn scalars_histograms_and_other_shapes() {
        let data = |kind: &str, result: Value| {
            json!({"status": "success", "data": {"resultType": kind, "result": result}})
                .to_string()
                .into_bytes()
        };
        let scalar = instant(200, &data("scalar", json!([1.0, "7"]))).unwrap();
        assert_eq!((scalar[0].value, scalar[0].labels.len()), (7.0, 0));
        let histogram = json!([{"metric": {}, "histogram": [1.0, {"count": "5"}]}]);
        assert!(
            instant(200, &data("vector", histogram)).unwrap()[0]
                .value
                .is_nan()
        );
        assert!(matches!(
            instant(200, &data("string", json!([1.0, "x"]))),
            Err(SourceError::Malformed { .. })
        ));
        assert!(matches!(
            instant(200, &data("matrix", json!([]))),
            Err(SourceError::Malformed { .. })
        ));
        let line = json!([{"metric": {"a": "b"}, "values": [[1.0, "2"], [2.5, "NaN"]]}]);
        let lines = range(200, &data("matrix", line)).unwrap();
        assert_eq!(lines[0].points[0], (1000, 2.0));
        assert_eq!(lines[0].points[1].0, 2500);
        assert!(matches!(
            range(200, &data("vector", json!([]))),
            Err(SourceError::Malformed { .. })
        ));
        let end_of_time = json!([{"metric": {}, "value": [1e300, "1"]}]);
        assert!(matches!(
            instant(200, &data("vector", end_of_time)),
            Err(SourceError::Malformed { .. })
        ));
    }

    #[test]
    fn refusals_are_told_from_failures() {
        let refused = json!({"status": "error", "errorType": "bad_data", "error": "parse error"}).to_string();
        let bad = SourceError::BadQuery {
            message: "parse error".into(),
        };
        assert_eq!(instant(400, refused.as_bytes()), Err(bad.clone()));
        assert_eq!(instant(200, refused.as_bytes()), Err(bad));
        let slow = json!({"status": "error", "errorType": "timeout", "error": "query timed out"}).to_string();
        let failed = |status, message: &str| {
            Err(SourceError::HttpStatus {
                status,
                message: message.into(),
            })
        };
        assert_eq!(instant(503, slow.as_bytes()), failed(503, "query timed out"));
        assert_eq!(instant(422, slow.as_bytes()), failed(422, "query timed out"));
        assert_eq!(
            instant(400, b"<html>Bad Request"),
            failed(400, "<html>Bad Request")
        );
        assert_eq!(instant(502, b"bad gateway"), failed(502, "bad gateway"));
        assert_eq!(instant(302, b""), failed(302, "(no text)"));
        assert!(matches!(instant(200, b"{}"), Err(SourceError::Malformed { .. })));
        assert!(matches!(
            instant(200, br#"{"status":"success"}"#),
            Err(SourceError::Malformed { .. })
        ));
    }

    /// Any JSON value, not too deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "(NaN|[+-]Inf|-?[0-9]{1,400}|\\PC{0,8})".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("(metric|value|values|result|pod)", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_it_answers_there_is_no_panic(
            status in 100u16..600,
            ok: bool,
            kind in "(vector|matrix|scalar|string|other)",
            result in any_json(),
        ) {
            let word = if ok { "success" } else { "error" };
            let body = json!({"status": word, "data": {"resultType": kind, "result": result}}).to_string();
            let _ = instant(status, body.as_bytes());
            let _ = range(status, body.as_bytes());
        }

        #[test]
        fn cut_and_mangled_bytes_do_not_panic(cut in 0usize..120, bytes in proptest::collection::vec(any::<u8>(), 0..6)) {
            let mut body = vector("1.5");
            body.splice(cut.min(body.len())..(cut + 3).min(body.len()), bytes);
            let _ = instant(200, &body);
        }

        #[test]
        fn every_finite_value_survives(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let read = instant(200, &vector(&value.to_string())).unwrap();
            prop_assert_eq!(read[0].value, value);
        }
    }
}
