//! The table `backups`: what is known of each copy that is kept, beyond what the store itself says.

use quarterdeck_domain::backup::{Condition, Manifest, Method};
use sqlx::{FromRow, PgExecutor, types::Json};
use time::OffsetDateTime;

use crate::db::DbError;

/// A row of `quarterdeck.backups`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct CopyRow {
    pub name: String,
    pub method: String,
    pub manifest: Option<Json<Manifest>>,
    pub bytes: i64,
    pub stored_at: OffsetDateTime,
    pub first_seen_at: OffsetDateTime,
    pub last_seen_at: OffsetDateTime,
    pub gone_at: Option<OffsetDateTime>,
    pub gone_why: Option<String>,
    pub condition: String,
    pub damage: Option<String>,
    pub verified_at: Option<OffsetDateTime>,
    pub pinned_by: Option<String>,
    pub pinned_at: Option<OffsetDateTime>,
    pub pin_reason: Option<String>,
}

/// A copy as it was seen in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenCopy {
    /// Its path, without the ends of its files.
    pub name: String,
    /// How it was made.
    pub method: Method,
    /// What stands beside it.
    pub manifest: Option<Manifest>,
    /// Bytes of all its files.
    pub bytes: u64,
    /// When the last of them was written.
    pub stored_at: OffsetDateTime,
    /// What is wrong with it, as far as a look at the list of files tells.
    pub damage: Option<String>,
}

impl SeenCopy {
    /// What is known of its content: what a look at the list of files tells comes before what was verified earlier.
    #[must_use]
    pub fn condition(&self, row: Option<&CopyRow>) -> Condition {
        match &self.damage {
            Some(_) => Condition::Damaged,
            None => row
                .and_then(|row| Condition::from_key(&row.condition))
                .unwrap_or(Condition::Unverified),
        }
    }
}

const COLUMNS: &str = "name, method, manifest, bytes, stored_at, first_seen_at, last_seen_at, gone_at, gone_why, condition, damage, verified_at, pinned_by, pinned_at, pin_reason";

/// All copies that are there, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn kept(executor: impl PgExecutor<'_>) -> Result<Vec<CopyRow>, DbError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.backups where gone_at is null order by stored_at desc"
    )))
    .fetch_all(executor)
    .await?)
}

/// One copy, also one that is gone.
///
/// # Errors
/// [`DbError`].
pub async fn by_name(executor: impl PgExecutor<'_>, name: &str) -> Result<Option<CopyRow>, DbError> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.backups where name = $1"
    )))
    .bind(name)
    .fetch_optional(executor)
    .await?)
}

/// Notes what was seen in the store: what is new, what has changed there, and what is not there any more although it was. What has
/// changed has to be verified anew. Answers with the names of those that are gone.
///
/// # Errors
/// [`DbError`].
pub async fn seen(
    executor: impl PgExecutor<'_>,
    copies: &[SeenCopy],
    at: OffsetDateTime,
) -> Result<Vec<String>, DbError> {
    let column = |of: fn(&SeenCopy) -> String| copies.iter().map(of).collect::<Vec<_>>();
    let manifests: Vec<Option<serde_json::Value>> = copies
        .iter()
        .map(|copy| {
            copy.manifest
                .as_ref()
                .and_then(|manifest| serde_json::to_value(manifest).ok())
        })
        .collect();
    let bytes: Vec<i64> = copies
        .iter()
        .map(|copy| i64::try_from(copy.bytes).unwrap_or(i64::MAX))
        .collect();
    let stored_at: Vec<OffsetDateTime> = copies.iter().map(|copy| copy.stored_at).collect();
    let damage: Vec<Option<String>> = copies.iter().map(|copy| copy.damage.clone()).collect();
    Ok(sqlx::query_scalar(
        "with seen as (
             select * from unnest($1::text[], $2::text[], $3::jsonb[], $4::bigint[], $5::timestamptz[], $6::text[])
                    as s (name, method, manifest, bytes, stored_at, damage)
         ), kept as (
             insert into quarterdeck.backups as b
                    (name, method, manifest, bytes, stored_at, first_seen_at, last_seen_at, condition, damage)
             select name, method, manifest, bytes, stored_at, $7, $7, case when damage is null then 'unverified' else 'damaged' end, damage
               from seen
             on conflict (name) do update set
                 manifest = excluded.manifest, bytes = excluded.bytes, stored_at = excluded.stored_at,
                 last_seen_at = excluded.last_seen_at, gone_at = null, gone_why = null,
                 condition = case
                     when excluded.damage is not null then 'damaged'
                     when (b.bytes, b.stored_at, b.manifest) is distinct from (excluded.bytes, excluded.stored_at, excluded.manifest)
                          then 'unverified'
                     else b.condition end,
                 damage = case
                     when excluded.damage is not null then excluded.damage
                     when (b.bytes, b.stored_at, b.manifest) is distinct from (excluded.bytes, excluded.stored_at, excluded.manifest)
                          then null
                     else b.damage end
               where b.last_seen_at < $7
         )
         update quarterdeck.backups as b
            set gone_at = $7, gone_why = coalesce(b.gone_why, 'it is not in the store any more')
          where b.gone_at is null and b.last_seen_at < $7 and not exists (select from seen where seen.name = b.name)
        returning b.name",
    )
    .bind(column(|copy| copy.name.clone()))
    .bind(column(|copy| copy.method.key().to_owned()))
    .bind(manifests)
    .bind(bytes)
    .bind(stored_at)
    .bind(damage)
    .bind(at)
    .fetch_all(executor)
    .await?)
}

/// Notes what a verification found: `None` that it is good.
///
/// # Errors
/// [`DbError`].
pub async fn verified(
    executor: impl PgExecutor<'_>,
    name: &str,
    damage: Option<&str>,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.backups
            set condition = case when $2::text is null then 'good' else 'damaged' end, damage = $2, verified_at = $3
          where name = $1",
    )
    .bind(name)
    .bind(damage)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Pins a copy, so that no retention deletes it, or lets it go with `None`. Answers whether that changed anything.
///
/// # Errors
/// [`DbError`].
pub async fn pin(
    executor: impl PgExecutor<'_>,
    name: &str,
    pinned: Option<(&str, &str)>,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.backups set pinned_by = $2, pin_reason = $3, pinned_at = case when $2::text is null then null else $4 end
          where name = $1 and gone_at is null and (pinned_by is null) <> ($2::text is null)",
    )
    .bind(name)
    .bind(pinned.map(|(by, _)| by))
    .bind(pinned.map(|(_, reason)| reason))
    .bind(at)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says beforehand why a copy will be gone: it is about to be deleted.
///
/// # Errors
/// [`DbError`].
pub async fn deleting(executor: impl PgExecutor<'_>, name: &str, why: &str) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.backups set gone_why = $2 where name = $1 and gone_at is null")
        .bind(name)
        .bind(why)
        .execute(executor)
        .await?;
    Ok(())
}
