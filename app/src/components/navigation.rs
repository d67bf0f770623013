//! The pages that somebody may see, for the top bar and the command palette.

use leptos::prelude::*;
use quarterdeck_domain::access::{Permission, Subject, decide};

/// The entry that says how many actions wait for somebody.
const ACTIONS: &str = "Actions";

/// Title, address and what one has to be allowed.
const ENTRIES: [(&str, &str, Permission); 5] = [
    ("Overview", "/", Permission::ViewHealth),
    ("Database", "/database", Permission::ViewDatabase),
    ("Backups", "/backups", Permission::ViewBackups),
    (ACTIONS, "/actions", Permission::ViewActions),
    ("Audit", "/audit", Permission::ViewAudit),
];

/// `(title, address)` of the pages that a person may see, in order.
#[must_use]
pub fn entries(subject: &Subject) -> Vec<(String, String)> {
    ENTRIES
        .iter()
        .filter(|(_, _, permission)| decide(subject, *permission).is_allowed())
        .map(|(title, href, _)| ((*title).to_owned(), (*href).to_owned()))
        .collect()
}

/// Links to the pages; nothing while there is only one.
#[component]
pub fn Navigation(
    /// What [`entries`] gives.
    entries: Vec<(String, String)>,
    /// Path of the page that is shown.
    path: String,
    /// How many guarded actions wait for the person.
    waiting: u32,
) -> impl IntoView {
    (entries.len() > 1).then(|| {
        let links = entries
            .into_iter()
            .map(|(title, href)| {
                let current = is_in(&path, &href).then_some("page");
                let count = (waiting > 0 && title == ACTIONS).then(|| {
                    view! {
                        <span class="navigation-count" aria-hidden="true">{waiting}</span>
                        <span class="hidden">{format!(", {waiting} waiting for you")}</span>
                    }
                });
                view! { <a href=href aria-current=current>{title} {count}</a> }
            })
            .collect_view();
        view! { <nav class="navigation" aria-label="Pages">{links}</nav> }
    })
}

/// Whether a page belongs to an entry: it is that page, or lies below it.
fn is_in(path: &str, href: &str) -> bool {
    path == href || href != "/" && path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_belongs_to_its_entry_and_to_no_other() {
        assert!(is_in("/", "/") && is_in("/audit", "/audit") && is_in("/audit/17", "/audit"));
        assert!(!is_in("/audit", "/") && !is_in("/auditors", "/audit") && !is_in("/", "/audit"));
    }
}
