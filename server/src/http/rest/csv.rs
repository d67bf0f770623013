//! Tables for spreadsheets.

use std::borrow::Cow;

/// A cell that a spreadsheet reads as text, and never as a formula.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Lines of a table by RFC 4180, in memory.
#[must_use]
pub fn writer() -> ::csv::Writer<Vec<u8>> {
    ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

/// Why a table couldn't be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A line couldn't be written.
    #[error("a line of the table could not be written")]
    Line(#[from] ::csv::Error),
    /// What is written is no text.
    #[error("the table is no text")]
    Text(#[from] std::string::FromUtf8Error),
    /// What was written couldn't be taken.
    #[error("the table could not be finished")]
    Finish(#[source] std::io::Error),
    /// A value has no text.
    #[error("a value of the table has no text")]
    Value(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The table as text.
///
/// # Errors
/// [`TableError`]
pub fn text(table: ::csv::Writer<Vec<u8>>) -> Result<String, TableError> {
    let bytes = table
        .into_inner()
        .map_err(|error| TableError::Finish(error.into_error()))?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_as_a_formula_does() {
        for begin in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(begin), format!("'{begin}"));
        }
        for plain in ["", "ada", "a=1", "'quoted"] {
            assert_eq!(harmless(plain), plain);
        }
    }
}
