//! Signing in, exchanging refresh tokens, signing out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quarterdeck_domain::access::{Assurance, Credential, Subject};
use quarterdeck_domain::audit::{Action, Actor, Detail, Object, Outcome};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::limiter::{Attempt, Attempter};
use super::passwords::Verdict;
use super::refresh::{Exchange, TokenState, decide};
use super::tokens::{Claims, sign};
use super::{DB_LIMIT, Identity, IdentityError, Tokens, accounts, actor};
use crate::db::sessions::{RevokedReason, SessionRow};
use crate::db::users::UserRow;
use crate::db::{self, DbError};
use crate::services::audit::{self, Origin};

/// The most characters of a `User-Agent` that are kept.
const USER_AGENT: usize = 300;

impl Identity {
    /// Signs somebody in.
    ///
    /// The answer and the time it takes don't tell whether there is such an account.
    ///
    /// # Errors
    /// [`IdentityError::WrongCredentials`], [`IdentityError::TooManyAttempts`], or that it can't be done now.
    pub async fn sign_in(
        &self,
        username: &str,
        password: String,
        origin: &Origin,
    ) -> Result<(Subject, Tokens), IdentityError> {
        let name = username.trim().to_lowercase();
        let attempter = Attempter::new(&name, origin.address);
        self.take_attempt(&attempter, origin).await?;
        // What can't be a name isn't looked up, but takes the same way from here on.
        let user = match accounts::normalise(&name) {
            Ok(name) => db::within(DB_LIMIT, db::users::by_username(&self.pool, &name)).await?,
            Err(_) => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let verdict = self.passwords.check(hash, password).await?;
        let rehashed = match (&user, verdict) {
            (Some(user), Verdict::Right) if user.disabled_at.is_none() => None,
            (Some(user), Verdict::RightRehashed(hash)) if user.disabled_at.is_none() => Some(hash),
            (Some(user), Verdict::Right | Verdict::RightRehashed(_)) => {
                self.record_refusal(origin, Some(user), "account_disabled")
                    .await?;
                return Err(IdentityError::WrongCredentials);
            }
            (Some(user), Verdict::Wrong) => {
                self.record_refusal(origin, Some(user), "wrong_password").await?;
                return Err(IdentityError::WrongCredentials);
            }
            (None, Verdict::Right | Verdict::RightRehashed(_) | Verdict::Wrong) => {
                self.record_refusal(origin, None, "no_such_account").await?;
                return Err(IdentityError::WrongCredentials);
            }
        };
        let Some(user) = user else {
            return Err(IdentityError::WrongCredentials);
        };
        let opened = self.within(self.open_session(user, rehashed, origin)).await?;
        self.limiter.give_back(&attempter).await;
        Ok(opened)
    }

    async fn open_session(
        &self,
        user: UserRow,
        rehashed: Option<String>,
        origin: &Origin,
    ) -> Result<(Subject, Tokens), IdentityError> {
        let now = self.now();
        self.keys
            .rotate_if_due(&self.pool, &self.events, &*self.entropy, now, &self.config)
            .await?;
        let session = SessionRow {
            id: self.entropy.uuid(now),
            user_id: user.id,
            created_at: now,
            last_seen_at: now,
            expires_at: now + Duration::seconds(i64::from(self.config.session_ttl_s)),
            user_agent: origin
                .user_agent
                .replace('\0', "")
                .chars()
                .take(USER_AGENT)
                .collect(),
            address: origin.address.map(|address| address.to_string()),
            revoked_at: None,
        };
        let subject = subject(&user, session.id)?;
        let mut transaction = self.pool.begin().await?;
        // The account as it is now, and locked: it may have been disabled, or its password changed, while the
        // password was being checked.
        let locked = db::users::lock_by_username(&mut transaction, &user.username).await?;
        let unchanged = locked.is_some_and(|locked| {
            locked.token_epoch == user.token_epoch && locked.password_hash == user.password_hash
        });
        if !unchanged {
            return Err(IdentityError::WrongCredentials);
        }
        if let Some(hash) = rehashed {
            db::users::rehash_password(&mut transaction, user.id, &user.password_hash, &hash).await?;
        }
        db::sessions::insert(&mut transaction, &session).await?;
        let refresh = self.new_refresh_token(&mut transaction, &session, now).await?;
        let event = self.events.event(
            origin,
            actor(&subject),
            Action::SessionOpened,
            Object::new("session", session.id),
            Outcome::Succeeded,
            Detail::none().with("user_agent", session.user_agent.as_str()),
        );
        audit::append(&mut transaction, &event).await?;
        let tokens = self.tokens(&subject, session.id, user.token_epoch, refresh, now)?;
        transaction.commit().await?;
        Ok((subject, tokens))
    }

    /// Exchanges a refresh token.
    pub(super) async fn refresh(
        &self,
        token: &str,
        origin: &Origin,
    ) -> Result<(Subject, Tokens), IdentityError> {
        self.within(self.exchange(token, origin)).await
    }

    async fn exchange(&self, token: &str, origin: &Origin) -> Result<(Subject, Tokens), IdentityError> {
        let now = self.now();
        let hash = token_hash(token);
        self.keys
            .rotate_if_due(&self.pool, &self.events, &*self.entropy, now, &self.config)
            .await?;
        let mut transaction = self.pool.begin().await?;
        let over = || IdentityError::SessionOver;
        let session_id = db::sessions::of_refresh_token(&mut transaction, &hash)
            .await?
            .ok_or_else(over)?;
        // The session's lock makes exchanges of one family take turns; the token is read after it is held.
        let session = db::sessions::lock(&mut transaction, session_id)
            .await?
            .ok_or_else(over)?;
        let stored = db::sessions::refresh_token(&mut transaction, &hash)
            .await?
            .ok_or_else(over)?;
        let user = db::users::by_id(&mut *transaction, session.user_id)
            .await?
            .ok_or_else(over)?;
        let state = TokenState {
            expires_at: stored.expires_at,
            rotated_at: stored.rotated_at,
            session_expires_at: session.expires_at,
            session_revoked: session.revoked_at.is_some(),
            account_disabled: user.disabled_at.is_some(),
        };
        let grace = Duration::seconds(i64::from(self.config.refresh_grace_s));
        let subject = subject(&user, session.id)?;
        match decide(&state, now, grace) {
            Exchange::Over => Err(IdentityError::SessionOver),
            Exchange::Reuse => {
                let reason = RevokedReason::ReuseDetected;
                db::sessions::revoke(&mut transaction, session.id, None, reason, now).await?;
                let event = self.events.event(
                    origin,
                    Actor::Anonymous,
                    Action::SessionReuseDetected,
                    Object::new("session", session.id),
                    Outcome::Refused,
                    Detail::none()
                        .with("account", user.username.as_str())
                        .with("user_agent", origin.user_agent.as_str()),
                );
                audit::append(&mut transaction, &event).await?;
                transaction.commit().await?;
                self.revocations.end(session.id, now);
                tracing::warn!(session = %session.id, "a refresh token was used twice; its session was ended");
                Err(IdentityError::SessionOver)
            }
            exchange @ (Exchange::Rotate | Exchange::Sibling) => {
                if exchange == Exchange::Rotate {
                    let before = now - grace;
                    db::sessions::retire_refresh_tokens(&mut transaction, &hash, session.id, before, now)
                        .await?;
                }
                let refresh = self.new_refresh_token(&mut transaction, &session, now).await?;
                db::sessions::touch(&mut transaction, session.id, origin.address, now).await?;
                let tokens = self.tokens(&subject, session.id, user.token_epoch, refresh, now)?;
                transaction.commit().await?;
                Ok((subject, tokens))
            }
        }
    }

    /// Signs somebody out: their session ends everywhere.
    ///
    /// # Errors
    /// That it couldn't be recorded. This console forgets the session all the same, and the browser its cookies.
    pub async fn sign_out(&self, subject: &Subject, origin: &Origin) -> Result<(), IdentityError> {
        let now = self.now();
        let Some(session_id) = subject.session_id() else {
            return Ok(());
        };
        self.revocations.end(session_id, now);
        self.within(async {
            let mut transaction = self.pool.begin().await?;
            let reason = RevokedReason::SignedOut;
            if db::sessions::revoke(&mut transaction, session_id, None, reason, now).await? {
                let event = self.events.event(
                    origin,
                    actor(subject),
                    Action::SessionClosed,
                    Object::new("session", session_id),
                    Outcome::Succeeded,
                    Detail::none(),
                );
                audit::append(&mut transaction, &event).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Gives a use of the database its limit.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, IdentityError>>,
    ) -> Result<T, IdentityError> {
        match tokio::time::timeout(DB_LIMIT, work).await {
            Ok(result) => result,
            Err(_) => Err(DbError::Unavailable(sqlx::Error::PoolTimedOut).into()),
        }
    }

    async fn new_refresh_token(
        &self,
        transaction: &mut PgConnection,
        session: &SessionRow,
        now: OffsetDateTime,
    ) -> Result<String, DbError> {
        let token = URL_SAFE_NO_PAD.encode(self.entropy.bytes::<32>());
        let idle = now + Duration::seconds(i64::from(self.config.idle_ttl_s));
        let expires_at = idle.min(session.expires_at);
        let hash = token_hash(&token);
        db::sessions::insert_refresh_token(transaction, &hash, session.id, now, expires_at).await?;
        Ok(token)
    }

    fn tokens(
        &self,
        subject: &Subject,
        session_id: Uuid,
        epoch: i64,
        refresh: String,
        now: OffsetDateTime,
    ) -> Result<Tokens, IdentityError> {
        let key = self.keys.current(now, &self.config).ok_or(IdentityError::NoKey)?;
        let claims = Claims::new(subject, session_id, epoch, now, self.config.access_ttl_s);
        Ok(Tokens {
            access: sign(&key, &claims).map_err(IdentityError::Signing)?,
            refresh,
            keep: std::time::Duration::from_secs(u64::from(self.config.idle_ttl_s)),
        })
    }

    /// Takes one of somebody's tries; the first that is refused is recorded.
    pub(super) async fn take_attempt(
        &self,
        attempter: &Attempter,
        origin: &Origin,
    ) -> Result<(), IdentityError> {
        match self.limiter.take(attempter).await {
            Attempt::Allowed => Ok(()),
            Attempt::Refused { retry_after, first } => {
                if first {
                    self.record_refusal(origin, None, "too_many_attempts").await?;
                }
                Err(IdentityError::TooManyAttempts { retry_after })
            }
        }
    }

    /// Records a refused sign-in. An unknown name isn't written down: people type passwords into that field.
    pub(super) async fn record_refusal(
        &self,
        origin: &Origin,
        user: Option<&UserRow>,
        reason: &str,
    ) -> Result<(), IdentityError> {
        let account = user.map_or("unknown", |user| user.username.as_str());
        let event = self.events.event(
            origin,
            Actor::Anonymous,
            Action::SessionRefused,
            Object::new("account", account),
            Outcome::Refused,
            Detail::none()
                .with("reason", reason)
                .with("user_agent", origin.user_agent.as_str()),
        );
        Ok(self.recorder.record(&event).await?)
    }
}

fn subject(user: &UserRow, session_id: Uuid) -> Result<Subject, DbError> {
    Ok(Subject {
        user_id: user.id,
        username: user.username.clone(),
        display_name: user.display_name.clone(),
        role: user.role()?,
        credential: Credential::Session(session_id),
        assurance: Assurance::Current,
    })
}

fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
