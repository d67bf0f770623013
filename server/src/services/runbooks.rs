//! The runbooks of `docs/runbooks`, embedded into the binary: they can be read when everything else is down.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use quarterdeck_app::view::runbook::RunbookView;
use rust_embed::Embed;
use url::Url;

#[derive(Embed)]
#[folder = "../docs/runbooks/"]
struct Files;

/// The folder as profiles and alert rules name it.
const FOLDER: &str = "docs/runbooks/";

/// Where a runbook is found: addresses stay, paths are looked up under `base` if there is one, and those that are
/// embedded are pages of the console.
#[must_use]
pub fn link(named: &str, base: Option<&Url>) -> String {
    if named.contains("://") {
        return named.to_owned();
    }
    if let Some(Ok(url)) = base.map(|base| base.join(named)) {
        return url.into();
    }
    match named.strip_prefix(FOLDER) {
        Some(file) if Files::get(file).is_some() => format!("/runbooks/{file}"),
        Some(_) | None => named.to_owned(),
    }
}

/// A runbook as a page: `name` with or without `.md`. `None` when there is none of that name.
#[must_use]
pub fn read(name: &str) -> Option<RunbookView> {
    let name = name.strip_suffix(".md").unwrap_or(name);
    let file = Files::get(&format!("{name}.md"))?;
    let text = std::str::from_utf8(&file.data).ok()?;
    let mut title = String::new();
    let mut in_title = false;
    let mut body = Vec::new();
    // The first heading is the page's own; markup is that of the page, so raw HTML is shown as text.
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level, .. }) if title.is_empty() && level as u8 == 1 => {
                in_title = true
            }
            Event::End(TagEnd::Heading(_)) if in_title => in_title = false,
            Event::Text(part) | Event::Code(part) if in_title => title.push_str(&part),
            Event::Html(raw) | Event::InlineHtml(raw) => body.push(Event::Text(raw)),
            other => body.push(other),
        }
    }
    let mut html = String::new();
    html::push_html(&mut html, body.into_iter());
    Some(RunbookView { title, html })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile::ProfileConfig;

    #[test]
    fn every_runbook_of_the_profile_is_a_page() {
        let profile = ProfileConfig::default().load().unwrap();
        for metric in profile.metrics() {
            let named = metric
                .runbook
                .as_deref()
                .unwrap_or_else(|| panic!("{} names no runbook", metric.id));
            let link = link(named, None);
            let name = link
                .strip_prefix("/runbooks/")
                .unwrap_or_else(|| panic!("{named} is not embedded"));
            let page = read(name).unwrap();
            assert!(!page.title.is_empty() && page.html.contains("<h2>"), "{named}");
        }
    }

    #[test]
    fn every_runbook_of_an_action_is_a_page() {
        for kind in quarterdeck_domain::action::ActionKind::ALL {
            if let Some(name) = kind.spec().runbook {
                assert!(read(name).is_some(), "{kind} names {name}, which is not embedded");
            }
        }
    }

    #[test]
    fn addresses_stay_and_a_base_comes_first() {
        assert_eq!(link("https://wiki.example/x", None), "https://wiki.example/x");
        assert_eq!(link("elsewhere/x.md", None), "elsewhere/x.md");
        let base = Url::parse("https://git.example/main/").unwrap();
        assert_eq!(
            link("docs/runbooks/disk.md", Some(&base)),
            "https://git.example/main/docs/runbooks/disk.md"
        );
        assert!(read("../README").is_none());
        assert!(read("no-such").is_none());
    }
}
