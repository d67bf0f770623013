//! Making and changing accounts; each change shares its transaction with its line in the audit log.

use std::sync::Arc;

use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Actor, Detail, Object, Outcome};
use sqlx::{PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::passwords::{self, PasswordError, PasswordRule, Passwords};
use crate::clock::Clock;
use crate::db::sessions::RevokedReason;
use crate::db::users::{NewUser, UserRow};
use crate::db::{self, DbError};
use crate::entropy::Entropy;
use crate::services::audit::{self, AuditError, EventMaker, Origin};

/// Who changes an account, and from where.
#[derive(Debug, Clone)]
pub struct By {
    /// The person, or the command line.
    pub actor: Actor,
    /// Where the request came from; empty for the command line.
    pub origin: Origin,
}

/// An account, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// Its user name.
    pub username: String,
    /// The person's name.
    pub display_name: String,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Since when it is disabled, if it is.
    pub disabled_at: Option<OffsetDateTime>,
    /// Where the person is written to about guarded actions; nowhere without it.
    pub email: Option<String>,
}

/// A new account.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as in Account")]
pub struct NewAccount {
    /// Whose account it is, if that person has another one; the user name otherwise. Accounts of one person have one
    /// vote together.
    pub identity: Option<String>,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub password: String,
    pub email: Option<String>,
}

/// Why an account wasn't made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is none of that name.
    #[error("there is no account {0:?}; `quarterdeck user list` shows those that there are")]
    Unknown(String),
    /// There is one of that name.
    #[error(
        "there is an account {0:?} already; choose another name, or change that one with passwd, role or enable"
    )]
    Taken(String),
    /// The name won't do.
    #[error(
        "{0:?} can't be a user name: it takes 1 to 64 of the characters a-z, 0-9, '.', '_', '@' and '-', and begins \
         with a letter or digit"
    )]
    Username(String),
    /// The display name won't do.
    #[error("a display name takes 1 to 100 characters")]
    DisplayName,
    /// The identity won't do.
    #[error(
        "an identity takes 1 to 200 characters: what names the person in your organisation, such as an e-mail address"
    )]
    Identity,
    /// The e-mail address won't do.
    #[error("{0:?} is no e-mail address; write name@example.org")]
    Email(String),
    /// The password won't do.
    #[error(transparent)]
    Password(#[from] PasswordRule),
    /// The password couldn't be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordError),
    /// The database didn't do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It couldn't be recorded, so it wasn't done.
    #[error("nothing was changed, because it could not be recorded")]
    Audit(#[from] AuditError),
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Makes and changes accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    pool: PgPool,
    passwords: Passwords,
    events: EventMaker,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Accounts {
    /// On the console's database.
    pub fn new(pool: PgPool, passwords: Passwords, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let events = EventMaker::new(Arc::clone(&clock), Arc::clone(&entropy));
        Self {
            pool,
            passwords,
            events,
            clock,
            entropy,
        }
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// [`AccountError::Db`].
    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        let rows = db::users::all(&self.pool).await?;
        rows.into_iter().map(|row| Ok(account(row)?)).collect()
    }

    /// Makes an account.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn add(&self, by: &By, new: NewAccount) -> Result<Account, AccountError> {
        let username = normalise(&new.username)?;
        let display_name = new.display_name.trim();
        if display_name.is_empty() || display_name.chars().count() > 100 || display_name.contains('\0') {
            return Err(AccountError::DisplayName);
        }
        let identity = new.identity.as_deref().map_or(username.as_str(), str::trim);
        if identity.is_empty() || identity.chars().count() > 200 || identity.contains('\0') {
            return Err(AccountError::Identity);
        }
        let email = new.email.as_deref().map(address).transpose()?;
        passwords::check_new(&username, &new.password)?;
        let password_hash = self.passwords.hash(new.password).await?;
        let created_at = self.clock.now();
        let id = self.entropy.uuid(created_at);
        let mut transaction = self.pool.begin().await?;
        let user = NewUser {
            id,
            username: &username,
            display_name,
            password_hash: &password_hash,
            role: new.role,
            created_at,
            identity,
            email: email.as_deref(),
        };
        db::users::insert(&mut transaction, &user)
            .await
            .map_err(|error| {
                if error.is_duplicate() {
                    AccountError::Taken(username.clone())
                } else {
                    error.into()
                }
            })?;
        let detail = Detail::none()
            .with("role", new.role.as_str())
            .with("display_name", display_name)
            .with("identity", identity);
        let detail = match &email {
            Some(email) => detail.with("email", email.as_str()),
            None => detail,
        };
        self.record(&mut transaction, by, Action::AccountCreated, &username, detail)
            .await?;
        transaction.commit().await?;
        Ok(Account {
            id,
            display_name: display_name.to_owned(),
            username,
            role: new.role,
            created_at,
            disabled_at: None,
            email,
        })
    }

    /// Sets a new password, and ends all of the account's sessions.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_password(&self, by: &By, username: &str, password: String) -> Result<(), AccountError> {
        let username = normalise(username)?;
        passwords::check_new(&username, &password)?;
        let hash = self.passwords.hash(password).await?;
        let (mut transaction, user) = self.lock(&username).await?;
        let now = self.clock.now();
        db::users::set_password(&mut transaction, user.id, &hash, now).await?;
        let reason = RevokedReason::PasswordChanged;
        let ended = db::sessions::revoke_all(&mut transaction, user.id, None, reason, now).await?;
        let detail = sessions_ended(&ended);
        self.record(
            &mut transaction,
            by,
            Action::AccountPasswordChanged,
            &username,
            detail,
        )
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Gives an account another role, at once: whether it had another before.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_role(&self, by: &By, username: &str, role: Role) -> Result<bool, AccountError> {
        let username = normalise(username)?;
        let (mut transaction, user) = self.lock(&username).await?;
        let before = user.role()?;
        if before == role {
            return Ok(false);
        }
        db::users::set_role(&mut transaction, user.id, role).await?;
        let detail = Detail::none()
            .with("from", before.as_str())
            .with("to", role.as_str());
        self.record(
            &mut transaction,
            by,
            Action::AccountRoleChanged,
            &username,
            detail,
        )
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Sets where the person is written to, or that they are not: whether it was otherwise before.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_email(
        &self,
        by: &By,
        username: &str,
        email: Option<&str>,
    ) -> Result<bool, AccountError> {
        let username = normalise(username)?;
        let email = email.map(address).transpose()?;
        let (mut transaction, user) = self.lock(&username).await?;
        if user.email == email {
            return Ok(false);
        }
        db::users::set_email(&mut transaction, user.id, email.as_deref()).await?;
        let word = |email: Option<String>| email.unwrap_or_else(|| "none".to_owned());
        let detail = Detail::none()
            .with("from", word(user.email))
            .with("to", word(email));
        self.record(
            &mut transaction,
            by,
            Action::AccountEmailChanged,
            &username,
            detail,
        )
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Disables an account, ends its sessions and revokes its API tokens, at once: whether it was enabled before.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn disable(&self, by: &By, username: &str) -> Result<bool, AccountError> {
        let username = normalise(username)?;
        let (mut transaction, user) = self.lock(&username).await?;
        if user.disabled_at.is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        db::users::set_disabled(&mut transaction, user.id, Some(now)).await?;
        let reason = RevokedReason::AccountDisabled;
        let ended = db::sessions::revoke_all(&mut transaction, user.id, None, reason, now).await?;
        let tokens = db::api_tokens::revoke_all(&mut transaction, user.id, now).await?;
        let detail = sessions_ended(&ended).with("tokens_revoked", i32::try_from(tokens).unwrap_or(i32::MAX));
        self.record(&mut transaction, by, Action::AccountDisabled, &username, detail)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Enables an account again: whether it was disabled before.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn enable(&self, by: &By, username: &str) -> Result<bool, AccountError> {
        let username = normalise(username)?;
        let (mut transaction, user) = self.lock(&username).await?;
        if user.disabled_at.is_none() {
            return Ok(false);
        }
        db::users::set_disabled(&mut transaction, user.id, None).await?;
        self.record(
            &mut transaction,
            by,
            Action::AccountEnabled,
            &username,
            Detail::none(),
        )
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn lock(&self, username: &str) -> Result<(Transaction<'static, Postgres>, UserRow), AccountError> {
        let mut transaction = self.pool.begin().await?;
        let user = db::users::lock_by_username(&mut transaction, username).await?;
        Ok((
            transaction,
            user.ok_or_else(|| AccountError::Unknown(username.to_owned()))?,
        ))
    }

    async fn record(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        by: &By,
        action: Action,
        username: &str,
        detail: Detail,
    ) -> Result<(), AccountError> {
        let object = Object::new("account", username);
        let event = self.events.event(
            &by.origin,
            by.actor.clone(),
            action,
            object,
            Outcome::Succeeded,
            detail,
        );
        Ok(audit::append(transaction, &event).await?)
    }
}

/// A user name as stored: without spaces around it, in lower case.
///
/// # Errors
/// [`AccountError::Username`] when it holds what a user name can't.
pub fn normalise(username: &str) -> Result<String, AccountError> {
    let name = username.trim().to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= 64
        && name.starts_with(plain)
        && name
            .chars()
            .all(|c| plain(c) || matches!(c, '.' | '_' | '@' | '-'));
    if fits {
        Ok(name)
    } else {
        Err(AccountError::Username(username.trim().to_owned()))
    }
}

/// An e-mail address as stored: without spaces around it.
fn address(text: &str) -> Result<String, AccountError> {
    let text = text.trim();
    match text.parse::<lettre::Address>() {
        Ok(_) if text.len() <= 254 => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(AccountError::Email(text.to_owned())),
    }
}

fn sessions_ended(ended: &[Uuid]) -> Detail {
    Detail::none().with("sessions_ended", i32::try_from(ended.len()).unwrap_or(i32::MAX))
}

fn account(row: UserRow) -> Result<Account, DbError> {
    Ok(Account {
        role: row.role()?,
        id: row.id,
        username: row.username,
        display_name: row.display_name,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
        email: row.email,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_plain() {
        assert_eq!(normalise("  Ada.L@example-1 ").unwrap(), "ada.l@example-1");
        for wrong in ["", "-ada", "ad a", "ada\0", "änne", &"x".repeat(65)] {
            assert!(
                matches!(normalise(wrong), Err(AccountError::Username(_))),
                "{wrong:?}"
            );
        }
    }
}
