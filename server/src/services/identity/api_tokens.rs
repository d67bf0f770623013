//! API tokens: making them, knowing them again, revoking them.
//!
//! A token is 32 random bytes that are shown once; the database keeps their SHA-256. Each use asks the database for the token
//! and its owner, so that whatever happens to either holds at once. A token never lets anybody do more than its owner
//! may, and nothing that only a person does: see [`decide`].

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::future::Cache;
use quarterdeck_domain::access::{ApiToken, Assurance, Credential, Delegation, Permission, Subject, decide};
use quarterdeck_domain::audit::{Action, Detail, Object, Outcome};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DB_LIMIT, Identity, IdentityError, actor};
use crate::db;
use crate::db::api_tokens::{ApiTokenRow, NewApiToken};
use crate::services::audit::{self, Origin};

/// What every token begins with, so that people and scanners of source code know one when they see it.
pub const PREFIX: &str = "qd_";

/// So many characters of a token are kept and shown.
const SHOWN: usize = PREFIX.len() + 6;

/// The most tokens of one person that can be used at a time.
pub const MOST: i64 = 20;

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;

/// How often the use of a token is written down.
const TOUCH_EVERY: time::Duration = time::Duration::minutes(1);

/// How long tokens that are over stay in the list.
const OVER_KEPT: time::Duration = time::Duration::days(30);

/// For how long a form that is sent twice is answered with the token that it made the first time.
const REPEATED: Duration = Duration::from_mins(1);

/// A token that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The id that the form was made with: sent twice, it makes one token.
    pub id: Uuid,
    /// What to call it.
    pub name: String,
    /// For how many days it is to work.
    pub days: u32,
    /// What it is to be used for.
    pub scopes: Vec<Permission>,
}

/// Why a token wasn't made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    /// The name won't do.
    #[error("a token's name takes 1 to {LONGEST_NAME} characters")]
    Name,
    /// The end won't do.
    #[error("a token works for 1 to {most} days")]
    Days {
        /// The most days.
        most: u32,
    },
    /// It would be good for nothing.
    #[error("a token has to be given at least one thing that it may be used for")]
    NoScope,
    /// A token can't be given this, or its owner may not do it.
    #[error("a token of yours can't be given {}", .0.as_str())]
    Scope(Permission),
    /// The password is missing.
    #[error("your password is needed once more for this")]
    NoPassword,
    /// The form was sent before, and what it made can't be told again.
    #[error("this form was sent before, and made one token")]
    MadeBefore,
    /// There are too many.
    #[error("you have {MOST} tokens already; revoke one that is no longer needed")]
    TooMany,
    /// There is no such token of this person that can be used.
    #[error("there is no such token of yours that still works")]
    Unknown,
    /// It couldn't be done or not be recorded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// A token that was made, and its text, which nobody can get again.
#[derive(Clone)]
pub struct MadeToken {
    /// What it is known by.
    pub label: String,
    /// The token itself.
    pub secret: String,
}

/// Without the token.
impl std::fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeToken")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// The tokens that were just made, by the ids of their forms, with whose they are: a form that is sent twice, by two clicks
/// say, is answered by its second answer alone. In memory, and on no other console.
#[derive(Debug)]
pub(super) struct JustMade(Cache<Uuid, (Uuid, MadeToken)>);

impl Default for JustMade {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(1_000)
                .time_to_live(REPEATED)
                .build(),
        )
    }
}

/// Who is asking, by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAuthentication {
    /// The token's owner, as far as the token reaches.
    Known(Subject),
    /// Nobody: the token is unknown, over or revoked, or its owner's account is disabled. It isn't told which.
    Refused,
    /// It can't be told, because the database is away.
    Unavailable,
}

impl Identity {
    /// Who is asking, by the text of an API token.
    pub async fn authenticate_token(&self, token: &str, origin: &Origin) -> TokenAuthentication {
        let Some(hash) = hash(token) else {
            return TokenAuthentication::Refused;
        };
        match self.within(self.token_subject(&hash, origin)).await {
            Ok(Some(subject)) => TokenAuthentication::Known(subject),
            Ok(None) => TokenAuthentication::Refused,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an API token can't be checked"
                );
                TokenAuthentication::Unavailable
            }
        }
    }

    async fn token_subject(
        &self,
        hash: &[u8; 32],
        origin: &Origin,
    ) -> Result<Option<Subject>, IdentityError> {
        let now = self.now();
        let mut connection = self.pool.acquire().await?;
        let Some(token) = db::api_tokens::by_hash(&mut connection, hash).await? else {
            return Ok(None);
        };
        let Some(user) = db::users::by_id(&mut *connection, token.user_id).await? else {
            return Ok(None);
        };
        if token.revoked_at.is_some() || token.expires_at <= now || user.disabled_at.is_some() {
            tracing::info!(
                token = label(&token.name, &token.prefix),
                owner = user.username,
                "an API token that no longer works was used"
            );
            return Ok(None);
        }
        db::api_tokens::touch(&mut connection, token.id, origin.address, now, now - TOUCH_EVERY).await?;
        Ok(Some(Subject {
            user_id: user.id,
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            role: user.role()?,
            credential: Credential::ApiToken(Box::new(ApiToken {
                id: token.id,
                label: label(&token.name, &token.prefix),
                expires_at: token.expires_at,
                scopes: token.scopes(),
            })),
            assurance: Assurance::Current,
        }))
    }

    /// For how many days a token works at most; 0 where nobody can make one.
    #[must_use]
    pub fn token_max_days(&self) -> u32 {
        self.config.api_token_max_days
    }

    /// The tokens of the person who asks, the newest first, with those that were over not long ago.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn own_tokens(&self, subject: &Subject) -> Result<Vec<ApiTokenRow>, IdentityError> {
        let over_before = self.now() - OVER_KEPT;
        Ok(db::within(
            DB_LIMIT,
            db::api_tokens::of_user(&self.pool, subject.user_id, over_before),
        )
        .await?)
    }

    /// Makes a token for the person who asks, and gives their password again: what it can do, it can do for long.
    ///
    /// # Errors
    /// [`ApiTokenError`]: then there is none, or there was one before.
    pub async fn make_token(
        &self,
        subject: &Subject,
        new: &NewToken,
        password: &SecretString,
        origin: &Origin,
    ) -> Result<MadeToken, ApiTokenError> {
        let name = new.name.trim();
        let most = self.config.api_token_max_days;
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(ApiTokenError::Name);
        }
        if !(1..=most).contains(&new.days) {
            return Err(ApiTokenError::Days { most });
        }
        let mut scopes = new.scopes.clone();
        scopes.sort_by_key(|scope| scope.as_str());
        scopes.dedup();
        if scopes.is_empty() {
            return Err(ApiTokenError::NoScope);
        }
        if let Some(refused) = scopes.iter().find(|scope| !may_be_given(subject, **scope)) {
            return Err(ApiTokenError::Scope(*refused));
        }
        if password.expose_secret().is_empty() {
            return Err(ApiTokenError::NoPassword);
        }
        self.confirm_password(subject, password.expose_secret().to_owned(), origin)
            .await?;

        let now = self.now();
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.entropy.bytes::<32>()));
        let prefix: String = secret.chars().take(SHOWN).collect();
        let label = label(name, &prefix);
        let token = NewApiToken {
            id: new.id,
            user_id: subject.user_id,
            name,
            hash: &Sha256::digest(secret.as_bytes()).into(),
            prefix: &prefix,
            scopes: &scopes,
            created_at: now,
            expires_at: now + time::Duration::days(i64::from(new.days)),
        };
        let made = MadeToken {
            label: label.clone(),
            secret: secret.clone(),
        };
        let found = self
            .within(async {
                let mut transaction = self.pool.begin().await?;
                // In turn, so that the count holds.
                db::users::lock_by_username(&mut transaction, &subject.username).await?;
                if db::api_tokens::exists(&mut transaction, token.id).await? {
                    return Ok(Found::Before);
                }
                if db::api_tokens::count_usable(&mut transaction, subject.user_id, now).await? >= MOST {
                    return Ok(Found::TooMany);
                }
                db::api_tokens::insert(&mut transaction, &token).await?;
                let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                let detail = Detail::none()
                    .with("label", label.as_str())
                    .with("scopes", names.join(" "))
                    .with("days", i32::try_from(new.days).unwrap_or(i32::MAX));
                let event = self.events.event(
                    origin,
                    actor(subject),
                    Action::ApiTokenCreated,
                    Object::new("api_token", token.id),
                    Outcome::Succeeded,
                    detail,
                );
                audit::append(&mut transaction, &event).await?;
                // Whoever finds it there finds this.
                let kept = (subject.user_id, made.clone());
                self.just_made.0.insert(token.id, kept).await;
                transaction.commit().await?;
                Ok(Found::Nothing)
            })
            .await?;
        match found {
            Found::Nothing => Ok(made),
            Found::TooMany => Err(ApiTokenError::TooMany),
            Found::Before => match self.just_made.0.get(&new.id).await {
                Some((owner, made)) if owner == subject.user_id => Ok(made),
                Some(_) | None => Err(ApiTokenError::MadeBefore),
            },
        }
    }

    /// Revokes one of the asking person's tokens, at once. One that is revoked already stays so, and is not recorded again.
    ///
    /// # Errors
    /// [`ApiTokenError::Unknown`] when it isn't theirs or is past its end, and that it can't be done now.
    pub async fn revoke_token(
        &self,
        subject: &Subject,
        id: Uuid,
        origin: &Origin,
    ) -> Result<(), ApiTokenError> {
        let now = self.now();
        let found = self
            .within(async {
                let mut transaction = self.pool.begin().await?;
                let Some(token) = db::api_tokens::revoke(&mut transaction, id, subject.user_id, now).await?
                else {
                    return Ok(db::api_tokens::is_revoked(&mut transaction, id, subject.user_id).await?);
                };
                let event = self.events.event(
                    origin,
                    actor(subject),
                    Action::ApiTokenRevoked,
                    Object::new("api_token", id),
                    Outcome::Succeeded,
                    Detail::none().with("label", label(&token.name, &token.prefix)),
                );
                audit::append(&mut transaction, &event).await?;
                transaction.commit().await?;
                self.revocations.end(id, now);
                Ok(true)
            })
            .await?;
        if found {
            Ok(())
        } else {
            Err(ApiTokenError::Unknown)
        }
    }
}

/// What was found instead of room for a new token.
enum Found {
    Nothing,
    TooMany,
    /// The same form has made one.
    Before,
}

/// Whether a token of this person can be given a permission: they have it themselves, and it can be given away.
#[must_use]
pub fn may_be_given(subject: &Subject, permission: Permission) -> bool {
    let given = match permission.delegation() {
        Delegation::ToTokens(_) => true,
        Delegation::PersonOnly => false,
    };
    given && decide(subject, permission).is_allowed()
}

/// What a token is known by: `nightly report (qd_Ab3xY9…)`.
fn label(name: &str, prefix: &str) -> String {
    format!("{name} ({prefix}…)")
}

/// The hash of what can be a token.
fn hash(token: &str) -> Option<[u8; 32]> {
    let random = token.strip_prefix(PREFIX)?;
    // What can't be one isn't worth a question to the database.
    let bytes = URL_SAFE_NO_PAD.decode(random).ok()?;
    (bytes.len() == 32).then(|| Sha256::digest(token.as_bytes()).into())
}

/// When a token's list entry is over: revoked, or past its end.
#[must_use]
pub fn over_since(token: &ApiTokenRow, now: OffsetDateTime) -> Option<OffsetDateTime> {
    token
        .revoked_at
        .or((token.expires_at <= now).then_some(token.expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_token_is_looked_up() {
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([7; 32]));
        assert_eq!(token.len(), 46);
        assert!(hash(&token).is_some());
        for wrong in [
            "",
            "qd_",
            "qd_short",
            &token[1..],
            &token[..45],
            &format!("{token}x"),
            "Bearer x",
        ] {
            assert_eq!(hash(wrong), None, "{wrong}");
        }
    }
}
