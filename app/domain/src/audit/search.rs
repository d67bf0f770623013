//! What somebody looks for in the audit log, and its form in an address.
//!
//! A search is the same in the page's address, in a call of the REST API and in the record of an export:
//! `actor=ada&action=session.*&outcome=refused&from=2026-11-24T22:00:00`. Parts that are left out, or empty as forms
//! send them, restrict nothing; parts of other names are not looked at.

use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use super::event::{Action, ActorKind, Outcome};

/// The longest text that is searched for, in characters.
const LONGEST: usize = 500;

/// How many rows a page has if nothing else is asked for.
pub const PAGE: u16 = 50;

/// The most rows of one answer.
pub const LARGEST_PAGE: u16 = 500;

/// As a `datetime-local` field sends it; UTC.
const MINUTES: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]T[hour]:[minute]");
const SECONDS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const FRACTIONS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond]");

/// One action, or all whose names begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// This one; `session.opened`.
    One(Action),
    /// All of a family; `session.*`.
    Family(&'static str),
}

impl Actions {
    /// The families that there are, by name without the `.*`, each once, in the order of the actions.
    #[must_use]
    pub fn families() -> Vec<&'static str> {
        let mut families = Vec::new();
        for action in Action::ALL {
            let family = family_of(*action);
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// The actions that are meant.
    #[must_use]
    pub fn members(&self) -> Vec<Action> {
        match self {
            Self::One(action) => vec![*action],
            Self::Family(family) => Action::ALL
                .iter()
                .copied()
                .filter(|action| family_of(*action) == *family)
                .collect(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(".*") {
            Some(family) => Self::families()
                .into_iter()
                .find(|known| *known == family)
                .map(Self::Family),
            None => Action::ALL
                .iter()
                .find(|action| action.as_str() == text)
                .map(|action| Self::One(*action)),
        }
    }
}

impl std::fmt::Display for Actions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(action) => f.write_str(action.as_str()),
            Self::Family(family) => write!(f, "{family}.*"),
        }
    }
}

/// The part of an action's name before the first dot.
#[must_use]
pub fn family_of(action: Action) -> &'static str {
    action.as_str().split('.').next().unwrap_or_default()
}

/// Which rows are looked for. All parts have to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The actor's name: a user name, or `cli:` and the name of an account on the console's machine.
    pub actor: Option<String>,
    /// What kind of actor it was.
    pub actor_kind: Option<ActorKind>,
    /// What was done.
    pub actions: Option<Actions>,
    /// The noun of what it was done to.
    pub object_kind: Option<String>,
    /// Which one of its kind.
    pub object_id: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Recorded then or later.
    pub from: Option<OffsetDateTime>,
    /// Recorded before then.
    pub to: Option<OffsetDateTime>,
}

/// Where a page begins. Rows are numbered as they were written, so that a place stays what it is while more are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Position {
    /// With the newest row.
    #[default]
    Newest,
    /// With the newest row of a number below this one.
    Before(u64),
    /// With the oldest row of a number above this one.
    After(u64),
}

/// A page of what is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Which rows.
    pub filter: Filter,
    /// From where on.
    pub position: Position,
    /// How many at most, 1 to [`LARGEST_PAGE`].
    pub limit: u16,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            position: Position::Newest,
            limit: PAGE,
        }
    }
}

/// Why a search can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// A value is none of those that there are.
    #[error("{name}={value:?} can't be searched for; {instead}")]
    Value {
        /// The part's name.
        name: &'static str,
        /// What was given.
        value: String,
        /// What to give instead.
        instead: String,
    },
    /// The range of time is empty.
    #[error("the range ends ({to}) before it begins ({from}); exchange the two")]
    Backwards {
        /// The begin, as text.
        from: String,
        /// The end, as text.
        to: String,
    },
    /// Two places at once.
    #[error("both before and after are given; give one of them")]
    TwoPositions,
}

fn wrong(name: &'static str, value: &str, instead: impl Into<String>) -> SearchError {
    SearchError::Value {
        name,
        value: value.chars().take(80).collect(),
        instead: instead.into(),
    }
}

/// Reads a time: `2026-11-24T22:00` in UTC with or without seconds, or with a zone as RFC 3339 has it.
fn instant(name: &'static str, text: &str) -> Result<OffsetDateTime, SearchError> {
    [MINUTES, SECONDS, FRACTIONS]
        .iter()
        .find_map(|format| PrimitiveDateTime::parse(text, format).ok())
        .map(PrimitiveDateTime::assume_utc)
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())
        .ok_or_else(|| {
            wrong(
                name,
                text,
                "write times as 2026-11-24T22:00 (UTC) or 2026-11-24T23:00:00+01:00",
            )
        })
}

/// A time as a `datetime-local` field takes it, in UTC: `2026-11-24T22:11:03`.
#[must_use]
pub fn field(at: OffsetDateTime) -> String {
    let utc = at.to_offset(time::UtcOffset::UTC);
    let format = if utc.nanosecond() == 0 { SECONDS } else { FRACTIONS };
    // Writing into a text fails for no time that was read from one.
    utc.format(format).unwrap_or_default()
}

fn text(name: &'static str, value: &str) -> Result<String, SearchError> {
    if value.chars().count() > LONGEST || value.contains('\0') {
        return Err(wrong(
            name,
            value,
            format!("a text of up to {LONGEST} characters can"),
        ));
    }
    Ok(value.to_owned())
}

fn number(name: &'static str, value: &str) -> Result<u64, SearchError> {
    value
        .parse()
        .ok()
        // The database counts in signed numbers.
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| wrong(name, value, "give the number of a row"))
}

impl Filter {
    /// The filter as it stands in an address, each part once; nothing for what restricts nothing.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        [
            ("actor", self.actor.clone()),
            ("actor_kind", self.actor_kind.map(|kind| kind.as_str().to_owned())),
            ("action", self.actions.as_ref().map(Actions::to_string)),
            ("object_kind", self.object_kind.clone()),
            ("object_id", self.object_id.clone()),
            ("outcome", self.outcome.map(|outcome| outcome.as_str().to_owned())),
            ("from", self.from.map(field)),
            ("to", self.to.map(field)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Whether every row fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        match name {
            "actor" => self.actor = Some(text("actor", value)?),
            "actor_kind" => {
                let kind = ActorKind::ALL.into_iter().find(|kind| kind.as_str() == value);
                let instead = || "the kinds are user, command_line, system and anonymous";
                self.actor_kind = Some(kind.ok_or_else(|| wrong("actor_kind", value, instead()))?);
            }
            "action" => {
                let instead = || "give an action such as session.opened, or a family such as session.*";
                let actions = Actions::parse(value).ok_or_else(|| wrong("action", value, instead()))?;
                self.actions = Some(actions);
            }
            "object_kind" => self.object_kind = Some(text("object_kind", value)?),
            "object_id" => self.object_id = Some(text("object_id", value)?),
            "outcome" => {
                let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == value);
                let instead = || "the outcomes are succeeded, refused and failed";
                self.outcome = Some(outcome.ok_or_else(|| wrong("outcome", value, instead()))?);
            }
            "from" => self.from = Some(instant("from", value)?),
            "to" => self.to = Some(instant("to", value)?),
            _ => {}
        }
        Ok(())
    }
}

impl Search {
    /// Reads the part of an address after the question mark.
    ///
    /// # Errors
    /// [`SearchError`], which says what to give instead.
    pub fn from_query(query: &str) -> Result<Self, SearchError> {
        let mut search = Self::default();
        let mut positions = 0;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match name.as_ref() {
                "before" | "after" => {
                    positions += 1;
                    search.position = if name == "before" {
                        Position::Before(number("before", value)?)
                    } else {
                        Position::After(number("after", value)?)
                    };
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|n| (1..=LARGEST_PAGE).contains(n));
                    let instead = format!("give a number from 1 to {LARGEST_PAGE}");
                    search.limit = limit.ok_or_else(|| wrong("limit", value, instead))?;
                }
                other => search.filter.take(other, value)?,
            }
        }
        if positions > 1 {
            return Err(SearchError::TwoPositions);
        }
        match (search.filter.from, search.filter.to) {
            (Some(from), Some(to)) if to < from => Err(SearchError::Backwards {
                from: field(from),
                to: field(to),
            }),
            (_, _) => Ok(search),
        }
    }

    /// What [`Search::from_query`] reads back.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.filter.pairs());
        match self.position {
            Position::Newest => {}
            Position::Before(seq) => {
                query.append_pair("before", &seq.to_string());
            }
            Position::After(seq) => {
                query.append_pair("after", &seq.to_string());
            }
        }
        if self.limit != PAGE {
            query.append_pair("limit", &self.limit.to_string());
        }
        query.finish()
    }

    /// The same search from another place on.
    #[must_use]
    pub fn at(&self, position: Position) -> Self {
        Self {
            position,
            ..self.clone()
        }
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
