//! The table `users`.

use std::str::FromStr;

use quarterdeck_domain::access::Role;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// An account, as stored.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct UserRow {
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub password_hash: String,
    role: String,
    pub token_epoch: i64,
    pub created_at: OffsetDateTime,
    pub password_changed_at: OffsetDateTime,
    pub disabled_at: Option<OffsetDateTime>,
    pub identity: String,
    pub email: Option<String>,
}

impl UserRow {
    /// The account's role.
    ///
    /// # Errors
    /// When the column holds none, which its check doesn't allow.
    pub fn role(&self) -> Result<Role, DbError> {
        Role::from_str(&self.role).map_err(|error| DbError::Unreadable(error.to_string()))
    }
}

/// A new account.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewUser<'a> {
    pub id: Uuid,
    pub username: &'a str,
    pub display_name: &'a str,
    pub password_hash: &'a str,
    pub role: Role,
    pub created_at: OffsetDateTime,
    pub identity: &'a str,
    pub email: Option<&'a str>,
}

/// The account of that name (in lower case).
pub async fn by_username(executor: impl PgExecutor<'_>, username: &str) -> Result<Option<UserRow>, DbError> {
    Ok(
        sqlx::query_as("select * from quarterdeck.users where username = $1")
            .bind(username)
            .fetch_optional(executor)
            .await?,
    )
}

/// The account of that name, locked until the caller's transaction ends.
pub async fn lock_by_username(
    connection: &mut PgConnection,
    username: &str,
) -> Result<Option<UserRow>, DbError> {
    Ok(
        sqlx::query_as("select * from quarterdeck.users where username = $1 for update")
            .bind(username)
            .fetch_optional(connection)
            .await?,
    )
}

/// The account with that id.
pub async fn by_id(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<UserRow>, DbError> {
    Ok(sqlx::query_as("select * from quarterdeck.users where id = $1")
        .bind(id)
        .fetch_optional(executor)
        .await?)
}

/// All accounts by name.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<UserRow>, DbError> {
    Ok(
        sqlx::query_as("select * from quarterdeck.users order by username")
            .fetch_all(executor)
            .await?,
    )
}

/// Who every account belongs to.
pub async fn identities(executor: impl PgExecutor<'_>) -> Result<Vec<(Uuid, String)>, DbError> {
    Ok(sqlx::query_as("select id, identity from quarterdeck.users")
        .fetch_all(executor)
        .await?)
}

/// The accounts in use with an e-mail address that have one of `roles` or are among `accounts`: one for each address, and
/// none of the person whom the account `except` belongs to.
pub async fn with_email(
    executor: impl PgExecutor<'_>,
    roles: &[Role],
    accounts: &[Uuid],
    except: Option<Uuid>,
) -> Result<Vec<Uuid>, DbError> {
    let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    Ok(sqlx::query_scalar(
        "select distinct on (lower(email)) id from quarterdeck.users
         where email is not null and disabled_at is null and (role = any ($1) or id = any ($2))
             and identity is distinct from (select identity from quarterdeck.users where id = $3)
         order by lower(email), username",
    )
    .bind(roles)
    .bind(accounts)
    .bind(except)
    .fetch_all(executor)
    .await?)
}

/// The token epoch of every account.
pub async fn token_epochs(executor: impl PgExecutor<'_>) -> Result<Vec<(Uuid, i64)>, DbError> {
    Ok(sqlx::query_as("select id, token_epoch from quarterdeck.users")
        .fetch_all(executor)
        .await?)
}

/// Makes an account.
///
/// # Errors
/// [`DbError::is_duplicate`] when the name is taken.
pub async fn insert(connection: &mut PgConnection, user: &NewUser<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.users
             (id, username, display_name, password_hash, role, created_at, password_changed_at, identity, email)
         values ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
    )
    .bind(user.id)
    .bind(user.username)
    .bind(user.display_name)
    .bind(user.password_hash)
    .bind(user.role.as_str())
    .bind(user.created_at)
    .bind(user.identity)
    .bind(user.email)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a new password hash; access tokens issued before stop working.
pub async fn set_password(
    connection: &mut PgConnection,
    id: Uuid,
    password_hash: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.users
         set password_hash = $2, password_changed_at = $3, token_epoch = token_epoch + 1 where id = $1",
    )
    .bind(id)
    .bind(password_hash)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the hash of the same password by one with today's parameters; nothing else changes.
pub async fn rehash_password(
    connection: &mut PgConnection,
    id: Uuid,
    old_hash: &str,
    new_hash: &str,
) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.users set password_hash = $3 where id = $1 and password_hash = $2")
        .bind(id)
        .bind(old_hash)
        .bind(new_hash)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets the role; access tokens with the old one stop working.
pub async fn set_role(connection: &mut PgConnection, id: Uuid, role: Role) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.users set role = $2, token_epoch = token_epoch + 1 where id = $1")
        .bind(id)
        .bind(role.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets where the person reads e-mail, or that they get none.
pub async fn set_email(connection: &mut PgConnection, id: Uuid, email: Option<&str>) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.users set email = $2 where id = $1")
        .bind(id)
        .bind(email)
        .execute(connection)
        .await?;
    Ok(())
}

/// Disables the account (`Some`) or enables it again (`None`); access tokens issued before stop working.
pub async fn set_disabled(
    connection: &mut PgConnection,
    id: Uuid,
    disabled_at: Option<OffsetDateTime>,
) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.users set disabled_at = $2, token_epoch = token_epoch + 1 where id = $1")
        .bind(id)
        .bind(disabled_at)
        .execute(connection)
        .await?;
    Ok(())
}
