//! SQL without what its literals say: names of people, tokens and passwords stand in queries and are nobody's business
//! on a console.

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer, Whitespace},
};

use super::QueryText;

/// What stands for a literal.
const MARK: &str = "?";

/// The query with a mark in the place of each literal, on one line and without its comments; `None` when it can't be
/// told for sure what is a literal, and so nothing is to be shown. A text that the server cut short is shown as far as
/// it is whole, and ends in `…`.
#[must_use]
pub fn redact(query: &QueryText) -> Option<String> {
    let mut tokens = Vec::new();
    // Identifiers come as they are written, with their doubled quotes.
    let read = Tokenizer::new(&PostgreSqlDialect {}, &query.text)
        .with_unescape(false)
        .tokenize_with_location_into_buf(&mut tokens);
    // Text that begins a literal and does not end it is no token: what stands before it is sound.
    if read.is_err() && !query.truncated {
        return None;
    }
    let mut text = Line::default();
    let mut sets = Setting::default();
    for token in tokens.into_iter().map(|t| t.token) {
        if let Token::Whitespace(space) = &token {
            text.space(space);
            continue;
        }
        let is_value = sets.takes(&token);
        match token {
            Token::Word(word) if !is_value => text.push(&word.to_string()),
            Token::Placeholder(name) if is_parameter(&name) => text.push(&name),
            // Without standard_conforming_strings a backslash would keep the quote behind it from ending the string,
            // and what follows would be its inside. Nobody can know from here.
            Token::SingleQuotedString(value) | Token::NationalStringLiteral(value)
                if value.contains('\\') =>
            {
                text.push(MARK);
                text.cut();
                return Some(text.finish());
            }
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::CopyData { .. } => text.push(MARK),
            // Signs: they say what is done, and nothing of whom.
            sign if is_sign(&sign) => text.push(&sign.to_string()),
            // Other dialects' literals, and what does not occur in PostgreSQL outside of one.
            _ => return None,
        }
    }
    if query.truncated {
        text.cut();
    }
    Some(text.finish())
}

/// `$1`; anything else that begins so may be the head of a literal.
fn is_parameter(name: &str) -> bool {
    name.strip_prefix('$')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a token is made of the characters of operators and punctuation alone.
fn is_sign(token: &Token) -> bool {
    let text = token.to_string();
    !text.is_empty() && text.bytes().all(|b| b"+-*/<>=~!@#%^&|`?,.:;()[]".contains(&b))
}

/// `SET name = value` takes values without quotes.
#[derive(Debug, Default)]
enum Setting {
    /// Nothing was read yet.
    #[default]
    Start,
    /// The name is being read.
    Name,
    /// What follows is the value.
    Value,
    /// Another statement.
    No,
}

impl Setting {
    /// Reads on; whether the token is part of a value.
    fn takes(&mut self, token: &Token) -> bool {
        let is = |word: &str| matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
        let (next, taken) = match (&*self, token) {
            (_, Token::SemiColon) => (Self::Start, false),
            (Self::Start, _) if is("set") => (Self::Name, false),
            (Self::Start, _) => (Self::No, false),
            (Self::Name, Token::Eq) => (Self::Value, false),
            (Self::Name, _) if is("to") => (Self::Value, false),
            (Self::Name, _) => (Self::Name, false),
            (Self::Value, Token::Word(_)) => (Self::Value, true),
            (Self::Value, _) => (Self::Value, false),
            (Self::No, _) => (Self::No, false),
        };
        *self = next;
        taken
    }
}

/// One line: runs of white space and comments come out as one space.
#[derive(Debug, Default)]
struct Line {
    text: String,
    gap: bool,
}

impl Line {
    fn push(&mut self, part: &str) {
        if self.gap && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.gap = false;
        self.text.push_str(part);
    }

    /// A comment may hold anything, and separates as white space does.
    fn space(&mut self, space: &Whitespace) {
        match space {
            Whitespace::Space
            | Whitespace::Newline
            | Whitespace::Tab
            | Whitespace::SingleLineComment { .. }
            | Whitespace::MultiLineComment(_) => self.gap = true,
        }
    }

    /// Says that more would follow.
    fn cut(&mut self) {
        self.gap = true;
        self.push("…");
    }

    fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
#[path = "redaction_tests.rs"]
mod tests;
