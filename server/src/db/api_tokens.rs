//! The table `api_tokens`.

use std::net::IpAddr;

use quarterdeck_domain::access::Permission;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// An API token, as stored (without its hash); the address as text.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ApiTokenRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub prefix: String,
    scopes: Vec<String>,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
    pub last_used_address: Option<String>,
    pub revoked_at: Option<OffsetDateTime>,
}

impl ApiTokenRow {
    /// What it may be used for. Permissions that this console doesn't know allow nothing.
    pub fn scopes(&self) -> Vec<Permission> {
        self.scopes
            .iter()
            .filter_map(|name| Permission::parse(name))
            .collect()
    }
}

/// A new API token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewApiToken<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: &'a str,
    pub hash: &'a [u8; 32],
    pub prefix: &'a str,
    pub scopes: &'a [Permission],
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

const SELECT: &str = "select id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at,
    host(last_used_address) as last_used_address, revoked_at from quarterdeck.api_tokens";

/// Keeps a new token.
pub async fn insert(connection: &mut PgConnection, token: &NewApiToken<'_>) -> Result<(), DbError> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    sqlx::query(
        "insert into quarterdeck.api_tokens
             (id, user_id, name, hash, prefix, scopes, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(token.id)
    .bind(token.user_id)
    .bind(token.name)
    .bind(token.hash.as_slice())
    .bind(token.prefix)
    .bind(scopes)
    .bind(token.created_at)
    .bind(token.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The token of a hash.
pub async fn by_hash(connection: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<ApiTokenRow>, DbError> {
    let select = format!("{SELECT} where hash = $1");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(hash.as_slice())
        .fetch_optional(connection)
        .await?)
}

/// A person's tokens, the newest first; those that are over for longer than `over_before` are left out.
pub async fn of_user(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    over_before: OffsetDateTime,
) -> Result<Vec<ApiTokenRow>, DbError> {
    let select = format!(
        "{SELECT} where user_id = $1 and expires_at > $2 and coalesce(revoked_at, 'infinity') > $2
         order by created_at desc, id desc"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(user_id)
        .bind(over_before)
        .fetch_all(executor)
        .await?)
}

/// Whether there is, or was, a token of this id.
pub async fn exists(connection: &mut PgConnection, id: Uuid) -> Result<bool, DbError> {
    Ok(
        sqlx::query_scalar("select exists (select from quarterdeck.api_tokens where id = $1)")
            .bind(id)
            .fetch_one(connection)
            .await?,
    )
}

/// Whether a person's token is revoked.
pub async fn is_revoked(connection: &mut PgConnection, id: Uuid, owner: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from quarterdeck.api_tokens
         where id = $1 and user_id = $2 and revoked_at is not null)",
    )
    .bind(id)
    .bind(owner)
    .fetch_one(connection)
    .await?)
}

/// How many of a person's tokens can be used.
pub async fn count_usable(
    connection: &mut PgConnection,
    user_id: Uuid,
    now: OffsetDateTime,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from quarterdeck.api_tokens where user_id = $1 and revoked_at is null and expires_at > $2",
    )
    .bind(user_id)
    .bind(now)
    .fetch_one(connection)
    .await?)
}

/// Revokes one of a person's tokens: the token, if it could still be used.
pub async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    owner: Uuid,
    now: OffsetDateTime,
) -> Result<Option<ApiTokenRow>, DbError> {
    Ok(sqlx::query_as(
        "update quarterdeck.api_tokens set revoked_at = $3
         where id = $1 and user_id = $2 and revoked_at is null and expires_at > $3
         returning id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at,
             host(last_used_address) as last_used_address, revoked_at",
    )
    .bind(id)
    .bind(owner)
    .bind(now)
    .fetch_optional(connection)
    .await?)
}

/// Revokes all of a person's tokens: how many could still be used.
pub async fn revoke_all(
    connection: &mut PgConnection,
    owner: Uuid,
    now: OffsetDateTime,
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "update quarterdeck.api_tokens set revoked_at = $2
         where user_id = $1 and revoked_at is null and expires_at > $2",
    )
    .bind(owner)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Notes a use, unless one was noted since `unless_since`.
pub async fn touch(
    connection: &mut PgConnection,
    id: Uuid,
    address: Option<IpAddr>,
    now: OffsetDateTime,
    unless_since: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.api_tokens set last_used_at = $2, last_used_address = $3::inet
         where id = $1 and (last_used_at is null or last_used_at < $4)",
    )
    .bind(id)
    .bind(now)
    .bind(address.map(|address| address.to_string()))
    .bind(unless_since)
    .execute(connection)
    .await?;
    Ok(())
}

/// The tokens that were revoked since, while they could still be used.
pub async fn revoked_since(
    executor: impl PgExecutor<'_>,
    since: OffsetDateTime,
) -> Result<Vec<(Uuid, OffsetDateTime)>, DbError> {
    Ok(
        sqlx::query_as("select id, revoked_at from quarterdeck.api_tokens where revoked_at >= $1")
            .bind(since)
            .fetch_all(executor)
            .await?,
    )
}
