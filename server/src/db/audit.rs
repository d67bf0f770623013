//! The tables `audit_intake`, `audit_events`, `audit_head` and `audit_spans`.

pub mod search;

use quarterdeck_domain::audit::{ChainRow, Columns, Event, Head, Sha256Hash};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// How many rows a walk over the log reads at once.
const PAGE: i64 = 2_000;

/// Hands canonical texts to the log, in the caller's transaction: they are numbered and chained when it commits,
/// and never were when it rolls back.
///
/// # Errors
/// When the database can't or won't take them. An id that is in the log already is refused at commit.
pub async fn append(connection: &mut PgConnection, canonical: &[String]) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.audit_intake (canonical)
         select text from unnest($1::text[]) with ordinality as entries (text, position) order by position",
    )
    .bind(canonical)
    .execute(connection)
    .await?;
    Ok(())
}

/// The events out of `ids` that are in the log: the answer to a commit whose answer was lost.
pub async fn recorded(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(
        sqlx::query_scalar("select event_id from quarterdeck.audit_events where event_id = any($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?,
    )
}

/// The end of the chain, as the head row has it.
pub async fn head(executor: impl PgExecutor<'_>) -> Result<Head, DbError> {
    let (seq, hash): (i64, Vec<u8>) = sqlx::query_as("select seq, hash from quarterdeck.audit_head")
        .fetch_one(executor)
        .await?;
    Ok(Head {
        seq: sequence(seq)?,
        hash: sha256(&hash)?,
    })
}

/// The next rows after `seq`, in order; empty at the end of the log.
pub async fn rows_after(connection: &mut PgConnection, seq: u64) -> Result<Vec<ChainRow>, DbError> {
    let after = signed(seq)?;
    let rows: Vec<AuditRow> = sqlx::query_as(
        "select seq, canonical, prev_hash, hash, event_id, recorded_at, actor_kind, actor_id, actor_name, action,
                object_kind, object_id, outcome
         from quarterdeck.audit_events where seq > $1 order by seq limit $2",
    )
    .bind(after)
    .bind(PAGE)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(ChainRow::try_from).collect()
}

/// A row with what is on either side of it, as of one instant.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The row of the number before.
    pub before: Option<ChainRow>,
    /// The row itself.
    pub row: Option<ChainRow>,
    /// The row of the number after.
    pub after: Option<ChainRow>,
    /// The end of the log.
    pub head: Head,
}

/// The row of a number, its neighbours and the head of the log.
pub async fn surroundings(connection: &mut PgConnection, seq: u64) -> Result<Surroundings, DbError> {
    #[derive(FromRow)]
    struct Read {
        head_seq: i64,
        head_hash: Vec<u8>,
        #[sqlx(flatten)]
        row: AuditRow,
    }
    let number = signed(seq)?;
    // One statement, so one snapshot: rows that are written meanwhile are in all of it or in none.
    let read: Vec<Read> = sqlx::query_as(
        "select head.seq as head_seq, head.hash as head_hash, events.* from quarterdeck.audit_head head,
             (select seq, canonical, prev_hash, hash, event_id, recorded_at, actor_kind, actor_id, actor_name, action,
                     object_kind, object_id, outcome
              from quarterdeck.audit_events where seq between $1 - 1 and $1 + 1) events",
    )
    .bind(number)
    .fetch_all(&mut *connection)
    .await?;
    let end = match read.first() {
        Some(first) => Head {
            seq: sequence(first.head_seq)?,
            hash: sha256(&first.head_hash)?,
        },
        None => head(connection).await?,
    };
    let mut found = Surroundings {
        before: None,
        row: None,
        after: None,
        head: end,
    };
    for Read { row, .. } in read {
        let row = ChainRow::try_from(row)?;
        match row.seq.cmp(&seq) {
            std::cmp::Ordering::Less => found.before = Some(row),
            std::cmp::Ordering::Equal => found.row = Some(row),
            std::cmp::Ordering::Greater => found.after = Some(row),
        }
    }
    Ok(found)
}

/// When the row of a number was recorded.
pub async fn recorded_at(connection: &mut PgConnection, seq: u64) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(
        sqlx::query_scalar("select recorded_at from quarterdeck.audit_events where seq = $1")
            .bind(signed(seq)?)
            .fetch_optional(connection)
            .await?,
    )
}

/// So many rows share an entry of `audit_spans`.
pub const SPAN: u64 = 1_000;

/// The times that lie in one thousand rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The number of the last of them.
    pub last_seq: u64,
    /// The earliest `recorded_at` among them.
    pub earliest: OffsetDateTime,
    /// The latest.
    pub latest: OffsetDateTime,
}

/// The span that ends with a row, if there is one.
pub async fn span(connection: &mut PgConnection, last_seq: u64) -> Result<Option<Span>, DbError> {
    let number = signed(last_seq)?;
    let times: Option<(OffsetDateTime, OffsetDateTime)> =
        sqlx::query_as("select earliest, latest from quarterdeck.audit_spans where last_seq = $1")
            .bind(number)
            .fetch_optional(connection)
            .await?;
    Ok(times.map(|(earliest, latest)| Span {
        last_seq,
        earliest,
        latest,
    }))
}

/// The newest events, the newest first, at most `limit`; of one action if `action` is given.
///
/// # Errors
/// When the database can't be asked, or a text is no event: `quarterdeck audit verify` then says more.
pub async fn latest(
    executor: impl PgExecutor<'_>,
    action: Option<quarterdeck_domain::audit::Action>,
    limit: u16,
) -> Result<Vec<Event>, DbError> {
    let texts: Vec<String> = sqlx::query_scalar(
        "select canonical from quarterdeck.audit_events
         where $1::text is null or action = $1 order by seq desc limit $2",
    )
    .bind(action.map(quarterdeck_domain::audit::Action::as_str))
    .bind(i64::from(limit))
    .fetch_all(executor)
    .await?;
    texts
        .iter()
        .map(|text| Event::from_canonical(text).map_err(|error| DbError::Unreadable(error.to_string())))
        .collect()
}

#[derive(FromRow)]
struct AuditRow {
    seq: i64,
    canonical: String,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
    event_id: Uuid,
    recorded_at: OffsetDateTime,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
    action: String,
    object_kind: String,
    object_id: String,
    outcome: String,
}

impl TryFrom<AuditRow> for ChainRow {
    type Error = DbError;

    fn try_from(row: AuditRow) -> Result<Self, DbError> {
        Ok(Self {
            seq: sequence(row.seq)?,
            canonical: row.canonical,
            prev_hash: sha256(&row.prev_hash)?,
            hash: sha256(&row.hash)?,
            columns: Some(Columns {
                event_id: row.event_id,
                recorded_at: row.recorded_at,
                actor_kind: row.actor_kind,
                actor_id: row.actor_id,
                actor_name: row.actor_name,
                action: row.action,
                object_kind: row.object_kind,
                object_id: row.object_id,
                outcome: row.outcome,
            }),
        })
    }
}

fn sequence(seq: i64) -> Result<u64, DbError> {
    u64::try_from(seq).map_err(|_| unreadable("a negative row number in the audit log"))
}

fn signed(seq: u64) -> Result<i64, DbError> {
    i64::try_from(seq).map_err(|_| unreadable("a row number beyond 2^63"))
}

fn sha256(bytes: &[u8]) -> Result<Sha256Hash, DbError> {
    Sha256Hash::try_from(bytes).map_err(|_| unreadable("a hash in the audit log that is not 32 bytes long"))
}

fn unreadable(what: &str) -> DbError {
    DbError::Unreadable(what.to_owned())
}
