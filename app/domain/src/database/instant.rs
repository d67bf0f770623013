//! Instants of a node's clock in the one text by which they are named.

use time::{
    OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::BorrowedFormatItem,
    macros::format_description,
};

/// To the microsecond, which is as exact as PostgreSQL keeps it, and always in this one form.
const FORM: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// `2026-11-24T22:11:03.123456Z`; `None` for a year that has not four digits.
#[must_use]
pub fn write(at: OffsetDateTime) -> Option<String> {
    at.to_offset(UtcOffset::UTC).format(FORM).ok()
}

/// Reads what [`write`] writes, and nothing else.
#[must_use]
pub fn read(text: &str) -> Option<OffsetDateTime> {
    let at = PrimitiveDateTime::parse(text, FORM).ok()?.assume_utc();
    (write(at)? == text).then_some(at)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_instant_has_one_text() {
        let at = datetime!(2026-11-24 23:11:03.123456 +1);
        let text = "2026-11-24T22:11:03.123456Z";
        assert_eq!(write(at).as_deref(), Some(text));
        assert_eq!(read(text), Some(at));
        for other in [
            "2026-11-24T22:11:03Z",
            "2026-11-24T22:11:03.1234560Z",
            "2026-11-24T22:11:03.123456+00:00",
            "",
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
