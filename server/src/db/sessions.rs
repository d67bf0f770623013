//! The tables `sessions` and `refresh_tokens`.

use std::net::IpAddr;

use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// A session, as stored; the address as text.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SessionRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: OffsetDateTime,
    pub last_seen_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub user_agent: String,
    pub address: Option<String>,
    pub revoked_at: Option<OffsetDateTime>,
}

/// A refresh token, as stored (without its hash).
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RefreshTokenRow {
    pub issued_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub rotated_at: Option<OffsetDateTime>,
}

/// Why a session ended before its time; the names stand in the column `revoked_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedReason {
    /// The person signed out.
    SignedOut,
    /// It was ended from another session or by an administrator.
    Revoked,
    /// A copy of one of its refresh tokens turned up.
    ReuseDetected,
    /// The account got a new password.
    PasswordChanged,
    /// The account was disabled.
    AccountDisabled,
}

impl RevokedReason {
    /// The name in the column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::ReuseDetected => "reuse_detected",
            Self::PasswordChanged => "password_changed",
            Self::AccountDisabled => "account_disabled",
        }
    }
}

const SELECT_SESSION: &str = "select id, user_id, created_at, last_seen_at, expires_at, user_agent,
    host(address) as address, revoked_at from quarterdeck.sessions";

/// Opens a session.
pub async fn insert(connection: &mut PgConnection, session: &SessionRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.sessions
             (id, user_id, created_at, last_seen_at, expires_at, user_agent, address)
         values ($1, $2, $3, $4, $5, $6, $7::inet)",
    )
    .bind(session.id)
    .bind(session.user_id)
    .bind(session.created_at)
    .bind(session.last_seen_at)
    .bind(session.expires_at)
    .bind(&session.user_agent)
    .bind(&session.address)
    .execute(connection)
    .await?;
    Ok(())
}

/// The session that a refresh token belongs to.
pub async fn of_refresh_token(
    connection: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<Uuid>, DbError> {
    Ok(
        sqlx::query_scalar("select session_id from quarterdeck.refresh_tokens where hash = $1")
            .bind(hash.as_slice())
            .fetch_optional(connection)
            .await?,
    )
}

/// The session, locked until the caller's transaction ends: whatever happens to a family of tokens happens in turn.
pub async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<Option<SessionRow>, DbError> {
    let select = format!("{SELECT_SESSION} where id = $1 for update");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(id)
        .fetch_optional(connection)
        .await?)
}

/// A refresh token; call it with its session locked.
pub async fn refresh_token(
    connection: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<RefreshTokenRow>, DbError> {
    Ok(sqlx::query_as(
        "select issued_at, expires_at, rotated_at from quarterdeck.refresh_tokens where hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(connection)
    .await?)
}

/// Adds a refresh token to a session.
pub async fn insert_refresh_token(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    session_id: Uuid,
    issued_at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.refresh_tokens (hash, session_id, issued_at, expires_at) values ($1, $2, $3, $4)",
    )
    .bind(hash.as_slice())
    .bind(session_id)
    .bind(issued_at)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Retires the presented token, and with it the session's other live tokens from before `siblings_before`: those
/// that a parallel tab got and that no browser kept.
pub async fn retire_refresh_tokens(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    session_id: Uuid,
    siblings_before: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.refresh_tokens set rotated_at = $4
         where session_id = $2 and rotated_at is null and (hash = $1 or issued_at < $3)",
    )
    .bind(hash.as_slice())
    .bind(session_id)
    .bind(siblings_before)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that the session was used now, and from where.
pub async fn touch(
    connection: &mut PgConnection,
    id: Uuid,
    address: Option<IpAddr>,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.sessions set last_seen_at = $2, address = coalesce($3::inet, address) where id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(address.map(|address| address.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a session, if it is open and (with `owner`) that account's own: whether it was.
pub async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    owner: Option<Uuid>,
    reason: RevokedReason,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.sessions set revoked_at = $3, revoked_reason = $4
         where id = $1 and revoked_at is null and ($2::uuid is null or user_id = $2)",
    )
    .bind(id)
    .bind(owner)
    .bind(now)
    .bind(reason.as_str())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an account's open sessions, except one: the ids of those it ended.
pub async fn revoke_all(
    connection: &mut PgConnection,
    user_id: Uuid,
    except: Option<Uuid>,
    reason: RevokedReason,
    now: OffsetDateTime,
) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update quarterdeck.sessions set revoked_at = $3, revoked_reason = $4
         where user_id = $1 and revoked_at is null and expires_at > $3 and id is distinct from $2 returning id",
    )
    .bind(user_id)
    .bind(except)
    .bind(now)
    .bind(reason.as_str())
    .fetch_all(connection)
    .await?)
}

/// An account's sessions that somebody could still use, the last used first. A session counts as over when none of
/// its refresh tokens can be used any more.
pub async fn open_of_user(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<SessionRow>, DbError> {
    let select = format!(
        "{SELECT_SESSION} where user_id = $1 and revoked_at is null and expires_at > $2 and exists (
             select from quarterdeck.refresh_tokens t
             where t.session_id = sessions.id and t.rotated_at is null and t.expires_at > $2)
         order by last_seen_at desc"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(user_id)
        .bind(now)
        .fetch_all(executor)
        .await?)
}

/// The sessions that were revoked since.
pub async fn revoked_since(
    executor: impl PgExecutor<'_>,
    since: OffsetDateTime,
) -> Result<Vec<(Uuid, OffsetDateTime)>, DbError> {
    Ok(
        sqlx::query_as("select id, revoked_at from quarterdeck.sessions where revoked_at >= $1")
            .bind(since)
            .fetch_all(executor)
            .await?,
    )
}

/// Removes what no decision needs any more: refresh tokens past their end, and sessions over since `sessions_before`.
pub async fn prune(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    sessions_before: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("delete from quarterdeck.refresh_tokens where expires_at < $1")
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from quarterdeck.sessions where expires_at < $1")
        .bind(sessions_before)
        .execute(connection)
        .await?;
    Ok(())
}
