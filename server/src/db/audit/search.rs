//! Looking for rows of the audit log, by their number from some place on, with a bound on what one answer costs.
//!
//! A search has parts (an actor, an action, an outcome …), and most parts have an index that yields their rows in the
//! order of the page. One part leads, and the others are checked on its rows. The one that leads is the one that is
//! rarest *here*: each part is asked how far its next [`BUDGET`] rows reach, and the furthest wins. No more than those
//! rows are read, so that a search whose rows are few and far between comes back with a place to go on from, rather than
//! late.

mod parts;

use quarterdeck_domain::audit::{ChainRow, Filter};
use sqlx::{Connection, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;

use self::parts::{Part, parts};
use super::{AuditRow, SPAN, head, sequence, signed};
use crate::db::DbError;

/// So many rows of the leading part are looked at for one answer.
pub const BUDGET: u32 = 20_000;

/// So many are looked at first: where many rows fit, a page is full by then, and to ask all parts how far [`BUDGET`] rows
/// reach would cost more than to read it.
const FIRST: u32 = 500;

const COLUMNS: &str = "seq, canonical, prev_hash, hash, event_id, recorded_at, actor_kind, actor_id, actor_name, action, \
                       object_kind, object_id, outcome";

/// Which way a walk goes, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Down, from the number below this one; from the newest row if there is none.
    Down(Option<u64>),
    /// Up, from the number above this one.
    Up(u64),
}

/// Where an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the last row that was asked for: more follow.
    Full,
    /// With the row of this number, the last one that was looked at: what lies beyond has not been.
    Budget(u64),
    /// With the last row that there is.
    Exhausted,
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The rows in the order of the walk.
    pub rows: Vec<ChainRow>,
    /// Where it ended.
    pub end: End,
}

/// The rows that fit, in the order of the walk, at most `limit`.
///
/// # Errors
/// When the database can't be asked, or takes longer than the statement timeout.
pub async fn find(
    connection: &mut PgConnection,
    filter: &Filter,
    walk: Walk,
    limit: u16,
) -> Result<Found, DbError> {
    let mut transaction = connection.begin().await?;
    // Each question is a walk over an index that ends soon. The planner, which guesses how many rows fit together, would
    // at times rather collect all of them and sort; and to compile or to spread a few milliseconds costs more than them.
    sqlx::query(
        "select set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true),
                set_config('max_parallel_workers_per_gather', '0', true)",
    )
    .execute(&mut *transaction)
    .await?;
    let found = walk_on(&mut transaction, filter, walk, limit).await?;
    transaction.rollback().await?;
    Ok(found)
}

async fn walk_on(
    connection: &mut PgConnection,
    filter: &Filter,
    walk: Walk,
    limit: u16,
) -> Result<Found, DbError> {
    let parts = parts(filter);
    let numbers = numbers(connection, filter, walk).await?;
    let first = step(connection, filter, &parts, numbers, walk, FIRST, limit).await?;
    let End::Budget(seq) = first.end else {
        return Ok(first);
    };
    let numbers = match walk {
        Walk::Down(_) => Numbers {
            high: signed(seq)? - 1,
            ..numbers
        },
        Walk::Up(_) => Numbers {
            low: signed(seq)? + 1,
            ..numbers
        },
    };
    let left = limit.saturating_sub(u16::try_from(first.rows.len()).unwrap_or(limit));
    let mut rest = step(connection, filter, &parts, numbers, walk, BUDGET, left).await?;
    let mut rows = first.rows;
    rows.append(&mut rest.rows);
    Ok(Found { rows, end: rest.end })
}

/// One step of a walk: looks at `budget` rows of the part that is rarest there.
async fn step(
    connection: &mut PgConnection,
    filter: &Filter,
    parts: &[Part],
    numbers: Numbers,
    walk: Walk,
    budget: u32,
    limit: u16,
) -> Result<Found, DbError> {
    if numbers.low > numbers.high {
        return Ok(Found {
            rows: Vec::new(),
            end: End::Exhausted,
        });
    }
    let (leader, reach) = leader(connection, parts, numbers, walk, budget).await?;
    let (within, last) = match walk {
        Walk::Down(_) => {
            let low = reach.unwrap_or(numbers.low);
            (Numbers { low, ..numbers }, low == numbers.low)
        }
        Walk::Up(_) => {
            let high = reach.unwrap_or(numbers.high);
            (Numbers { high, ..numbers }, high == numbers.high)
        }
    };
    let query = Fitting {
        filter,
        parts,
        leader,
        within,
        walk,
        budget,
        limit,
    };
    let mut rows = query.fetch(connection).await?;
    let end = match reach {
        _ if rows.len() > usize::from(limit) => {
            rows.truncate(usize::from(limit));
            End::Full
        }
        Some(reach) if !last => End::Budget(sequence(reach)?),
        Some(_) | None => End::Exhausted,
    };
    Ok(Found { rows, end })
}

/// Numbers from `low` to `high`, both included; none if `low` is greater.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    low: i64,
    high: i64,
}

/// The numbers in which rows of the range of time can lie, from the place of the walk on.
async fn numbers(connection: &mut PgConnection, filter: &Filter, walk: Walk) -> Result<Numbers, DbError> {
    let newest = signed(head(&mut *connection).await?.seq)?;
    let (mut low, mut high) = match walk {
        Walk::Down(None) => (1, newest),
        Walk::Down(Some(before)) => (1, newest.min(signed(before)? - 1)),
        Walk::Up(after) => (signed(after)?.saturating_add(1), newest),
    };
    if filter.from.is_none() && filter.to.is_none() {
        return Ok(Numbers { low, high });
    }
    let (whole, first, last): (i64, Option<i64>, Option<i64>) = sqlx::query_as(
        "select coalesce(max(last_seq), 0), min(last_seq) filter (where latest >= $1),
                max(last_seq) filter (where earliest < $2)
         from quarterdeck.audit_spans",
    )
    .bind(filter.from)
    .bind(filter.to)
    .fetch_one(&mut *connection)
    .await?;
    if filter.from.is_some() {
        low = low.max(first.map_or(whole, |last| last - signed(SPAN).unwrap_or(last)) + 1);
    }
    if let Some(to) = filter.to {
        // Rows after the last whole span are in none.
        let tail: Option<OffsetDateTime> = sqlx::query_scalar(
            "select min(recorded_at) from quarterdeck.audit_events where seq between $1 and $2",
        )
        .bind(whole + 1)
        .bind(newest)
        .persistent(false)
        .fetch_one(connection)
        .await?;
        if tail.is_none_or(|earliest| earliest >= to) {
            high = high.min(last.unwrap_or(0));
        }
    }
    Ok(Numbers { low, high })
}

/// The part that leads, and the number of the row at which the budget ends; none if there are fewer rows than that.
async fn leader<'p>(
    connection: &mut PgConnection,
    parts: &'p [Part],
    numbers: Numbers,
    walk: Walk,
    budget: u32,
) -> Result<(Option<&'p Part>, Option<i64>), DbError> {
    let budget = i64::from(budget);
    // Without a part: rows are numbered without gaps, so this needs no question.
    let all = match walk {
        Walk::Down(_) => numbers.low.max(numbers.high - budget + 1),
        Walk::Up(_) => numbers.high.min(numbers.low.saturating_add(budget - 1)),
    };
    let leading: Vec<&Part> = parts.iter().filter(|part| part.leads()).collect();
    if leading.is_empty() {
        return Ok((None, Some(all)));
    }
    let mut query = QueryBuilder::new("select array[");
    for (i, part) in leading.iter().enumerate() {
        query.push(if i > 0 { ", (" } else { "(" });
        push_rows(&mut query, "seq", Some(part), numbers, walk, budget);
        query.push(format!(" offset {} limit 1)", budget - 1));
    }
    query.push("]");
    let reaches: Vec<Option<i64>> = query
        .build_query_scalar()
        .persistent(false)
        .fetch_one(connection)
        .await?;
    let mut best: (Option<&Part>, Option<i64>) = (None, Some(all));
    for (part, reach) in leading.into_iter().zip(reaches) {
        let further = match (walk, reach, best.1) {
            (Walk::Down(_) | Walk::Up(_), _, None) => false,
            (Walk::Down(_) | Walk::Up(_), None, Some(_)) => true,
            (Walk::Down(_), Some(reach), Some(best)) => reach < best,
            (Walk::Up(_), Some(reach), Some(best)) => reach > best,
        };
        if further {
            best = (Some(part), reach);
        }
    }
    Ok(best)
}

/// The question for the rows of the leading part to which the others fit.
struct Fitting<'a> {
    filter: &'a Filter,
    parts: &'a [Part],
    leader: Option<&'a Part>,
    within: Numbers,
    walk: Walk,
    budget: u32,
    limit: u16,
}

impl Fitting<'_> {
    /// The rows, and one more than `limit`, which tells whether more follow.
    async fn fetch(&self, connection: &mut PgConnection) -> Result<Vec<ChainRow>, DbError> {
        let mut query = QueryBuilder::new("select * from (");
        push_rows(
            &mut query,
            COLUMNS,
            self.leader,
            self.within,
            self.walk,
            i64::from(self.budget),
        );
        // The limit keeps the planner from mixing the other parts in: it would guess which index to take.
        query.push(format!(" limit {}) candidates where true", self.budget));
        for part in self.parts {
            for (i, value) in part.values.iter().enumerate() {
                query.push(if i > 0 { " or " } else { " and (" });
                part.push(&mut query, value);
            }
            query.push(")");
        }
        if let Some(from) = self.filter.from {
            query.push(" and recorded_at >= ").push_bind(from);
        }
        if let Some(to) = self.filter.to {
            query.push(" and recorded_at < ").push_bind(to);
        }
        query.push(format!(
            " {} limit {}",
            order(self.walk),
            u32::from(self.limit) + 1
        ));
        let rows: Vec<AuditRow> = query
            .build_query_as()
            .persistent(false)
            .fetch_all(connection)
            .await?;
        rows.into_iter().map(ChainRow::try_from).collect()
    }
}

fn order(walk: Walk) -> &'static str {
    match walk {
        Walk::Down(_) => "order by seq desc",
        Walk::Up(_) => "order by seq",
    }
}

/// The rows of one part within the numbers, in order, and not needed beyond the budget; of all rows without a part.
fn push_rows(
    query: &mut QueryBuilder<Postgres>,
    columns: &str,
    part: Option<&Part>,
    numbers: Numbers,
    walk: Walk,
    budget: i64,
) {
    let values: Vec<Option<&str>> = match part {
        None => vec![None],
        Some(part) => part.values.iter().map(|value| Some(value.as_str())).collect(),
    };
    // Several values are several walks over the index, which the database merges. Each has an order and a limit of its
    // own: without, it would read all rows of all values and sort them.
    let merged = values.len() > 1;
    if merged {
        query.push(format!("select {columns} from ("));
    }
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            query.push(" union all ");
        }
        if merged {
            query.push("(");
        }
        query.push(format!("select {columns} from quarterdeck.audit_events where "));
        if let (Some(part), Some(value)) = (part, value) {
            part.push_lead(query, value);
            query.push(" and ");
        }
        query.push("seq between ").push_bind(numbers.low);
        query.push(" and ").push_bind(numbers.high);
        if merged {
            query.push(format!(" {} limit {budget})", order(walk)));
        }
    }
    if merged {
        query.push(") merged");
    }
    query.push(format!(" {}", order(walk)));
}
