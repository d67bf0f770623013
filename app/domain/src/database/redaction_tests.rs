use proptest::prelude::*;

use super::*;

fn whole(text: &str) -> Option<String> {
    redact(&QueryText {
        text: text.to_owned(),
        truncated: false,
    })
}

fn cut(text: &str) -> Option<String> {
    redact(&QueryText {
        text: text.to_owned(),
        truncated: true,
    })
}

#[test]
fn literals_of_every_form_are_marked() {
    for (query, shown) in [
        ("SELECT 1", "SELECT ?"),
        ("SELECT -1.5e10, 0x1F, 1_000, .5", "SELECT -?, ?, ?, ?"),
        (
            "SELECT * FROM users WHERE email = 'ada@example.com' AND age > 42",
            "SELECT * FROM users WHERE email = ? AND age > ?",
        ),
        ("SELECT 'it''s'", "SELECT ?"),
        (r"SELECT E'it\'s', e'\\'", "SELECT ?, ?"),
        (r"SELECT U&'d\0061t', N'x', X'1F', b'01'", "SELECT ?, ?, ?, ?"),
        ("SELECT $$it's$$, $tag$ $$ ' $tag$", "SELECT ?, ?"),
        (
            "SELECT \"Strange \"\"name\" FROM t1 WHERE id = $1",
            "SELECT \"Strange \"\"name\" FROM t1 WHERE id = $1",
        ),
        (
            "SELECT 1 -- for ada\n, 2 /* and /* her */ friend */ , 3",
            "SELECT ? , ? , ?",
        ),
        (
            "SELECT a::int, b->>'key', c @> '{}' FROM t;",
            "SELECT a::int, b->>?, c @> ? FROM t;",
        ),
        ("ALTER ROLE ada PASSWORD 'hunter2'", "ALTER ROLE ada PASSWORD ?"),
        ("SET app.token = hunter2", "SET app.token = ?"),
        (
            "SET LOCAL app.token TO hunter2, b; SELECT a",
            "SET LOCAL app.token TO ?, ?; SELECT a",
        ),
        (
            "UPDATE t SET a = b WHERE c = 'x'",
            "UPDATE t SET a = b WHERE c = ?",
        ),
        ("  \n", ""),
    ] {
        assert_eq!(whole(query).as_deref(), Some(shown), "{query}");
    }
}

#[test]
fn what_cannot_be_read_is_hidden() {
    for query in [
        "SELECT 'hunter2",
        "SELECT $$hunter2",
        "SELECT /* hunter2",
        r"SELECT E'hunter2\",
        r"SELECT \hunter2",
        "SELECT $😀$hunter2$😀$",
    ] {
        assert_eq!(whole(query), None, "{query}");
    }
}

#[test]
fn what_was_cut_short_is_shown_as_far_as_it_is_whole() {
    assert_eq!(
        cut("SELECT a FROM t WHERE b = 'hunter").as_deref(),
        Some("SELECT a FROM t WHERE b = …")
    );
    assert_eq!(cut("SELECT 12").as_deref(), Some("SELECT ? …"));
    assert_eq!(cut("SELECT $$hun").as_deref(), Some("SELECT …"));
}

#[test]
fn a_backslash_that_may_escape_hides_the_rest() {
    // With standard_conforming_strings off this is one literal and a name; with it on, a literal, a name, and the
    // beginning of another.
    for text in [r"SELECT 'it\'s hunter2', name", r"SELECT 'it\'s hunter2' || 'x'"] {
        assert!(
            whole(text).is_none_or(|shown| !shown.contains("hunter2")),
            "{text}"
        );
        assert!(cut(text).is_none_or(|shown| !shown.contains("hunter2")), "{text}");
    }
}

/// A literal, in any of PostgreSQL's forms, around a secret.
fn literal() -> impl Strategy<Value = String> {
    let before = "[ a-z0-9,;()$\"/*-]{0,8}";
    (0_usize..7, before, before).prop_map(|(form, a, b)| {
        let inside = format!("{a}hunter2{b}");
        match form {
            0 => format!("'{inside}'"),
            1 => format!("'{inside}''hunter2'"),
            2 => format!(r"E'{inside}\'hunter2\\'"),
            3 => format!("$q_1${inside}$q_1$"),
            4 => format!("$$ '{}' $$", inside.replace('$', "")),
            5 => format!("/* {} */ NULL", inside.replace(['*', '/'], "")),
            _ => format!("-- {inside}\n NULL"),
        }
    })
}

proptest! {
    /// However literals and other text are put together, no secret gets out, and what is no literal stays.
    #[test]
    fn no_secret_gets_out(parts in prop::collection::vec((literal(), "[a-z]{1,6}"), 1..6), cut_at in prop::option::of(0_usize..200)) {
        let mut text = "SELECT".to_owned();
        for (literal, name) in &parts {
            text.push_str(&format!(" {name} = {literal},"));
        }
        let shown = whole(&text);
        prop_assert!(shown.as_deref().is_some_and(|s| !s.contains("hunter")), "{text} -> {shown:?}");
        for (_, name) in &parts {
            prop_assert!(shown.as_deref().is_some_and(|s| s.contains(name.as_str())));
        }
        if let Some(at) = cut_at {
            let beginning: String = text.chars().take(at).collect();
            let shown = cut(&beginning);
            prop_assert!(shown.as_deref().is_none_or(|s| !s.contains("hunter")), "{beginning} -> {shown:?}");
        }
    }

    #[test]
    fn any_text_at_all_is_read_without_panic(text in "\\PC{0,60}", truncated in prop::bool::ANY) {
        let _ = redact(&QueryText { text, truncated });
    }
}
