//! From `style/main.css` and what it imports to one style sheet.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use lightningcss::bundler::{Bundler, FileProvider};
use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions};
use lightningcss::targets::{Browsers, Targets};

use crate::Mode;

/// The oldest browsers whose own CSS is used as it is (spring 2024): nesting, cascade layers, `:has()`, `light-dark()`
/// and container queries are then passed through, not rewritten into something larger.
fn targets() -> Targets {
    const fn version(major: u32, minor: u32) -> Option<u32> {
        Some(major << 16 | minor << 8)
    }
    Targets::from(Browsers {
        chrome: version(123, 0),
        edge: version(123, 0),
        android: version(123, 0),
        firefox: version(121, 0),
        safari: version(17, 5),
        ios_saf: version(17, 5),
        ..Browsers::default()
    })
}

/// Bundles the style sheet `entry` with everything it imports; minified unless for development.
///
/// # Errors
/// When a file is missing or isn't valid CSS; the message names file, line and column.
pub fn bundle(entry: &Path, mode: Mode) -> Result<String> {
    let files = FileProvider::new();
    let mut bundler = Bundler::new(&files, None, ParserOptions::default());
    let mut sheet = bundler.bundle(entry).map_err(|error| match &error.loc {
        Some(at) => anyhow!("{}:{}:{}: {}", at.filename, at.line + 1, at.column, error.kind),
        None => anyhow!("{}: {}", entry.display(), error.kind),
    })?;
    sheet
        .minify(MinifyOptions {
            targets: targets(),
            ..MinifyOptions::default()
        })
        .map_err(|error| anyhow!("{}: {error}", entry.display()))?;
    let printed = sheet
        .to_css(PrinterOptions {
            minify: mode == Mode::Release,
            targets: targets(),
            ..PrinterOptions::default()
        })
        .with_context(|| format!("{} can't be written as CSS", entry.display()))?;
    Ok(printed.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn imports_become_one_sheet_in_the_declared_order_of_layers() {
        let dir = styles(&[
            (
                "main.css",
                "@layer tokens, pages;\n@import \"page.css\" layer(pages);\n@import \"tokens.css\" layer(tokens);",
            ),
            ("page.css", ".a { color: var(--accent) }"),
            (
                "tokens.css",
                ":root { --accent: oklch(70% 0.1 200); color-scheme: light dark; }",
            ),
        ]);
        let css = bundle(&dir.path().join("main.css"), Mode::Release).unwrap();
        let first = |layer: &str| css.find(layer).unwrap_or_else(|| panic!("no {layer} in {css}"));
        assert!(
            first("tokens") < first("pages"),
            "tokens come first although pages is imported first: {css}"
        );
        assert!(css.contains("@layer pages{.a{color:var(--accent)}}"), "{css}");
        assert!(
            css.contains("--accent:oklch(70% .1 200)"),
            "modern colours pass through: {css}"
        );
        assert!(!css.contains("@import"), "{css}");
    }

    #[test]
    fn development_keeps_lines() {
        let dir = styles(&[("main.css", ".a { color: red }")]);
        let css = bundle(&dir.path().join("main.css"), Mode::Dev).unwrap();
        assert_eq!(css.lines().count(), 3, "{css}");
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let dir = styles(&[
            ("main.css", "@import \"broken.css\";"),
            ("broken.css", ".a { color: red }\n.b { colour red }\n"),
        ]);
        let error = bundle(&dir.path().join("main.css"), Mode::Release)
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken.css:2:"), "{error}");
    }

    #[test]
    fn a_missing_import_is_named() {
        let dir = styles(&[("main.css", "@import \"absent.css\";")]);
        let error = bundle(&dir.path().join("main.css"), Mode::Release)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("absent.css") || error.contains("main.css"),
            "{error}"
        );
    }
}
