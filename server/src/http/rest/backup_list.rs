//! `GET /api/v1/backups`: what is kept, how each method does, and the last runs.

use axum::{extract::Query, response::Response};
use quarterdeck_app::{
    error::ConsoleError,
    view::backup::{CopyView, MethodView, RunView},
};
use quarterdeck_domain::backup::{Condition, Method};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{super::problem::Problem, answer};
use crate::http::{asked::Asked, auth::SignedIn};

/// So many copies a page without another word, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

/// Which copies and runs. Empty values ask for nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `dump`, `base`, `wal`, `redis_rdb` or `redis_aof`.
    method: Option<String>,
    /// Of copies: `good`, `unverified` or `damaged`.
    condition: Option<String>,
    /// Copies after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many copies, 1 to 1000; 100 if it is left out.
    limit: Option<usize>,
}

/// What is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackupListView {
    /// When it was looked at, Unix ms.
    read_at_ms: i64,
    /// Each method that is configured.
    methods: Vec<MethodView>,
    /// The last runs, the newest first.
    runs: Vec<RunView>,
    /// How many copies fit.
    total: usize,
    /// A page of them, the newest first.
    copies: Vec<CopyView>,
    /// What to give as `after` for the next page; none on the last.
    next: Option<String>,
    /// What does not work: while a place can't be looked into, what is there is not listed.
    troubles: Vec<String>,
}

/// What a query comes to.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    method: Option<Method>,
    condition: Option<Condition>,
    after: Option<String>,
    limit: usize,
}

impl ListQuery {
    fn wanted(self) -> Result<Wanted, ConsoleError> {
        let method = given(self.method)
            .map(|key| {
                Method::from_key(&key).ok_or_else(|| {
                    let keys = Method::ALL.map(Method::key).join(", ");
                    ConsoleError::BadRequest(format!("the method {key:?} is not known; use one of {keys}"))
                })
            })
            .transpose()?;
        let condition = given(self.condition)
            .map(|key| {
                let found = Condition::ALL
                    .into_iter()
                    .find(|condition| condition.key() == key);
                found.ok_or_else(|| {
                    let keys = Condition::ALL.map(Condition::key).join(", ");
                    ConsoleError::BadRequest(format!("the condition {key:?} is not known; use one of {keys}"))
                })
            })
            .transpose()?;
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(ConsoleError::BadRequest(format!(
                "limit is {limit}; it must lie between 1 and {MOST}"
            )));
        }
        Ok(Wanted {
            method,
            condition,
            after: given(self.after),
            limit,
        })
    }
}

impl Wanted {
    /// How many copies fit, the page of them, and where to go on.
    fn page(&self, copies: Vec<CopyView>) -> Result<(usize, Vec<CopyView>, Option<String>), ConsoleError> {
        let fits = |copy: &CopyView| {
            self.method.is_none_or(|method| copy.method == method)
                && self
                    .condition
                    .is_none_or(|condition| copy.condition == condition.key())
        };
        let copies: Vec<CopyView> = copies.into_iter().filter(fits).collect();
        let total = copies.len();
        let begin = match &self.after {
            None => 0,
            Some(after) => {
                let last = copies.iter().position(|copy| copy.name == *after);
                1 + last.ok_or_else(|| {
                    ConsoleError::BadRequest(format!(
                        "{after} is not among these copies (any more); begin again without after"
                    ))
                })?
            }
        };
        let page: Vec<CopyView> = copies.into_iter().skip(begin).take(self.limit).collect();
        let next = page
            .last()
            .filter(|_| begin + page.len() < total)
            .map(|copy| copy.name.clone());
        Ok((total, page, next))
    }
}

fn given(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

/// What is kept, how each method does, and the last runs.
#[utoipa::path(get, path = "/api/v1/backups", tag = "backups", params(ListQuery),
    responses((status = 200, body = BackupListView, description = "As of the last look, which is at most 20 s old"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem, description = "No backups are configured")))]
pub async fn list(
    Asked(console): Asked,
    SignedIn(subject): SignedIn,
    Query(query): Query<ListQuery>,
) -> Response {
    let asked = async {
        let wanted = query.wanted()?;
        let (view, copies) = console.backups_with_copies(&subject).await?;
        let (total, copies, next) = wanted.page(copies)?;
        let fits = |method| wanted.method.is_none_or(|wanted| wanted == method);
        Ok(BackupListView {
            read_at_ms: view.read_at_ms,
            methods: view.methods.into_iter().filter(|of| fits(of.method)).collect(),
            runs: view.runs.into_iter().filter(|run| fits(run.method)).collect(),
            total,
            copies,
            next,
            troubles: view.troubles,
        })
    };
    answer(asked.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(name: &str, method: Method, condition: Condition) -> CopyView {
        CopyView {
            name: name.to_owned(),
            method,
            instant_ms: 0,
            bytes: 1,
            growth_percent: None,
            condition: condition.key().to_owned(),
            damage: None,
            verified_at_ms: None,
            pinned: None,
        }
    }

    fn page(query: ListQuery) -> Result<(usize, Vec<String>, Option<String>), String> {
        let copies = vec![
            copy("d3", Method::Dump, Condition::Unverified),
            copy("b1", Method::Base, Condition::Good),
            copy("d2", Method::Dump, Condition::Damaged),
            copy("d1", Method::Dump, Condition::Good),
        ];
        let wanted = query.wanted().map_err(|error| error.to_string())?;
        let (total, page, next) = wanted.page(copies).map_err(|error| error.to_string())?;
        Ok((total, page.into_iter().map(|copy| copy.name).collect(), next))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn copies_are_found_by_method_and_condition() {
        let dumps = page(ListQuery {
            method: some("dump"),
            ..ListQuery::default()
        });
        assert_eq!(dumps, Ok((3, vec!["d3".into(), "d2".into(), "d1".into()], None)));
        let damaged = page(ListQuery {
            condition: some("damaged"),
            method: some(""),
            ..ListQuery::default()
        });
        assert_eq!(damaged, Ok((1, vec!["d2".into()], None)));
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let first = page(ListQuery {
            limit: Some(3),
            ..ListQuery::default()
        });
        assert_eq!(
            first,
            Ok((4, vec!["d3".into(), "b1".into(), "d2".into()], some("d2")))
        );
        let last = page(ListQuery {
            limit: Some(3),
            after: some("d2"),
            ..ListQuery::default()
        });
        assert_eq!(last, Ok((4, vec!["d1".into()], None)));
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        for (query, named) in [
            (
                ListQuery {
                    method: some("tape"),
                    ..ListQuery::default()
                },
                "redis_aof",
            ),
            (
                ListQuery {
                    condition: some("fine"),
                    ..ListQuery::default()
                },
                "good, unverified, damaged",
            ),
            (
                ListQuery {
                    limit: Some(0),
                    ..ListQuery::default()
                },
                "between 1 and 1000",
            ),
            (
                ListQuery {
                    after: some("gone"),
                    ..ListQuery::default()
                },
                "without after",
            ),
        ] {
            let error = page(query).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
