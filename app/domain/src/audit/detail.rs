//! What an event says beyond its fixed fields: a JSON object that has exactly one canonical text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest whole number that every JSON reader represents exactly (2^53 − 1).
const LARGEST_WHOLE: i64 = (1 << 53) - 1;

/// Particulars of an [`Event`](super::Event): a JSON object of text, flags, whole numbers, lists and objects.
///
/// Fractions are not allowed: readers disagree about their text, and a record that reads differently in two
/// programs proves nothing. Say `"ratio_ppm": 930000` or give the figure as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Detail(Map<String, Value>);

/// Why a JSON value can't be the detail of an audit event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetailError {
    /// The outermost value isn't an object.
    #[error("the detail of an audit event has to be a JSON object")]
    NotAnObject,
    /// A number with a fraction, or beyond ±(2^53 − 1).
    #[error("{0} in an audit event's detail is not a whole number within ±(2^53 − 1); give it as text")]
    Number(String),
    /// A text holds U+0000, which PostgreSQL's text type refuses.
    #[error("a text in an audit event holds the character U+0000; leave it out")]
    Nul,
}

/// One value that [`Detail::with`] takes; each kind is valid by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text; U+0000 is replaced by U+FFFD.
    Text(String),
    /// A whole number.
    Whole(i32),
    /// A flag.
    Flag(bool),
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<i32> for Scalar {
    fn from(number: i32) -> Self {
        Self::Whole(number)
    }
}

impl From<bool> for Scalar {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => Self::String(text),
            Scalar::Whole(number) => Self::from(number),
            Scalar::Flag(flag) => Self::Bool(flag),
        }
    }
}

impl Detail {
    /// No particulars: `{}`.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one particular, or replaces the one of the same name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Scalar>) -> Self {
        self.0.insert(name.to_owned(), value.into().into());
        self
    }

    /// The text under `name`, if it is there and is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Whether the flag of that name is there and set.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The particulars as a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl TryFrom<Value> for Detail {
    type Error = DetailError;

    fn try_from(value: Value) -> Result<Self, DetailError> {
        check(&value)?;
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(DetailError::NotAnObject)
            }
        }
    }
}

/// Refuses what has no single text (fractions, huge numbers) and what the database can't hold (U+0000).
pub(super) fn check(value: &Value) -> Result<(), DetailError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if (-LARGEST_WHOLE..=LARGEST_WHOLE).contains(&whole) => Ok(()),
            Some(_) | None => Err(DetailError::Number(number.to_string())),
        },
        Value::String(text) if text.contains('\0') => Err(DetailError::Nul),
        Value::String(_) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(map) => map.iter().try_for_each(|(name, item)| {
            if name.contains('\0') {
                return Err(DetailError::Nul);
            }
            check(item)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_what_has_one_text_and_refuses_the_rest() {
        assert!(Detail::try_from(json!({"a": 1, "b": [true, "x", {"c": -5}]})).is_ok());
        assert_eq!(Detail::try_from(json!([1])), Err(DetailError::NotAnObject));
        assert_eq!(
            Detail::try_from(json!({"a": 0.5})),
            Err(DetailError::Number("0.5".into()))
        );
        let big = 1_i64 << 53;
        assert_eq!(
            Detail::try_from(json!({"a": [big]})),
            Err(DetailError::Number(big.to_string()))
        );
        assert!(Detail::try_from(json!({"a": big - 1})).is_ok());
        assert_eq!(
            Detail::try_from(json!({"a": {"b": "x\u{0}"}})),
            Err(DetailError::Nul)
        );
        assert_eq!(Detail::try_from(json!({"a\u{0}": 1})), Err(DetailError::Nul));
    }

    #[test]
    fn builds_only_valid_details() {
        let detail = Detail::none()
            .with("reason", "x\u{0}y")
            .with("count", 3)
            .with("late", true);
        assert_eq!(detail.text("reason"), Some("x\u{fffd}y"));
        assert!(check(&Value::Object(detail.as_map().clone())).is_ok());
    }
}
