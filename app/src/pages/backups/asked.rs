//! What the address of the page asks for: the window of the map, and which copies are listed.

use quarterdeck_domain::backup::Method;

use crate::{components::address::address, view::backup::CopyView};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// So many copies stand on a page of the list.
pub(super) const PAGE: usize = 15;

/// How much time the map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Window {
    /// A day.
    Day,
    /// A week.
    #[default]
    Week,
    /// A month.
    Month,
}

impl Window {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Its name in the address, and on its button.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    fn parse(key: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|window| window.key() == key)
            .unwrap_or_default()
    }

    /// How far it goes back, and ahead, ms.
    pub(super) const fn reach(self) -> (i64, i64) {
        match self {
            Self::Day => (DAY_MS, 4 * HOUR_MS),
            Self::Week => (7 * DAY_MS, 2 * DAY_MS),
            Self::Month => (30 * DAY_MS, 7 * DAY_MS),
        }
    }
}

/// What the address asks for. What it asks for in error counts as not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) window: Window,
    /// Copies of this method.
    pub(super) method: Option<Method>,
    /// Copies in this condition.
    pub(super) condition: Option<&'static str>,
    /// Pinned copies.
    pub(super) pinned: bool,
    /// Which page of the copies, from 0.
    pub(super) page: usize,
}

/// Conditions that copies can be filtered by, and their words.
pub(super) const CONDITIONS: [(&str, &str); 3] = [
    ("good", "verified"),
    ("unverified", "not verified"),
    ("damaged", "damaged"),
];

impl Asked {
    /// Reads the fields of the address.
    pub(super) fn read(field: impl Fn(&str) -> Option<String>) -> Self {
        let condition = field("condition").unwrap_or_default();
        Self {
            window: Window::parse(&field("window").unwrap_or_default()),
            method: field("method").and_then(|key| Method::from_key(&key)),
            condition: CONDITIONS
                .map(|(key, _)| key)
                .into_iter()
                .find(|key| *key == condition),
            pinned: field("pinned").is_some(),
            page: field("page")
                .and_then(|page| page.parse::<usize>().ok())
                .map_or(0, |page| page.saturating_sub(1)),
        }
    }

    /// The address that asks for it.
    pub(super) fn href(&self, anchor: &str) -> String {
        let mut fields = Vec::new();
        if self.window != Window::default() {
            fields.push(("window", self.window.key().to_owned()));
        }
        if let Some(method) = self.method {
            fields.push(("method", method.key().to_owned()));
        }
        if let Some(condition) = self.condition {
            fields.push(("condition", condition.to_owned()));
        }
        if self.pinned {
            fields.push(("pinned", "yes".to_owned()));
        }
        if self.page > 0 {
            fields.push(("page", (self.page + 1).to_string()));
        }
        format!("{}{anchor}", address("/backups", &fields))
    }

    /// Whether all copies are listed.
    pub(super) const fn is_everything(&self) -> bool {
        self.method.is_none() && self.condition.is_none() && !self.pinned
    }

    /// Whether a copy is listed.
    pub(super) fn fits(&self, copy: &CopyView) -> bool {
        self.method.is_none_or(|method| method == copy.method)
            && self.condition.is_none_or(|condition| condition == copy.condition)
            && (!self.pinned || copy.pinned.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Asked {
        Asked::read(|name| {
            fields
                .iter()
                .find(|field| field.0 == name)
                .map(|field| field.1.to_owned())
        })
    }

    #[test]
    fn what_is_asked_for_stands_in_the_address() {
        let asked = read(&[
            ("window", "30d"),
            ("method", "dump"),
            ("condition", "damaged"),
            ("page", "3"),
        ]);
        assert_eq!((asked.window, asked.page), (Window::Month, 2));
        assert_eq!(
            asked.href("#copies"),
            "/backups?window=30d&method=dump&condition=damaged&page=3#copies"
        );
        assert_eq!(Asked::default().href(""), "/backups");
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        let asked = read(&[
            ("window", "1y"),
            ("method", "tape"),
            ("condition", "fine"),
            ("page", "-1"),
        ]);
        assert_eq!(asked, Asked::default());
        assert!(asked.is_everything());
    }
}
