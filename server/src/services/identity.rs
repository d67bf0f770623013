//! Who is asking: sign-in, sessions, access and refresh tokens, and their revocation.
//!
//! A session begins with a sign-in. Its short-lived access token says who the person is, and is checked without the
//! database; its refresh token is exchanged for a new pair when the access token runs out. What ends a session or
//! changes an account reaches every console within milliseconds through LISTEN/NOTIFY, see [`watch`](Identity::run).
//!
//! While the database is away, people who were signed in can look on (see
//! [`outage_grace_s`](crate::config::identity::IdentityConfig::outage_grace_s)) and change nothing.

pub mod accounts;
pub mod api_tokens;
mod authorize;
mod confirm;
mod keys;
pub mod limiter;
pub mod passwords;
mod refresh;
mod revocations;
mod sessions;
mod sign_in;
mod tokens;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_domain::access::{Assurance, Credential, Subject};
use quarterdeck_domain::audit::Actor;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

pub use accounts::{Account, AccountError, Accounts, By, NewAccount};
pub use limiter::{Attempt, Limiter};
pub use passwords::{PasswordError, Passwords};
pub use sessions::OwnSession;

use self::api_tokens::JustMade;
use self::keys::KeyRing;
use self::revocations::Revocations;
use crate::clock::Clock;
use crate::config::identity::IdentityConfig;
use crate::db::DbError;
use crate::entropy::Entropy;
use crate::services::audit::{AuditError, EventMaker, Origin, Recorder};

/// How long one use of the database may take before it counts as away.
const DB_LIMIT: Duration = Duration::from_secs(3);

/// Why something about identity didn't work.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// User name and password don't belong together, or the account is disabled, or there is none: it isn't told.
    #[error("the user name or the password is wrong, or the account is disabled")]
    WrongCredentials,
    /// Too many tries.
    #[error(
        "too many sign-ins were tried with this name or from this address; wait {} and try again",
        spoken(*retry_after)
    )]
    TooManyAttempts {
        /// When to try again.
        retry_after: Duration,
    },
    /// The session is over.
    #[error("the session is over; sign in again")]
    SessionOver,
    /// There is no such open session of this account.
    #[error("there is no such open session of yours; it may have ended already")]
    NoSuchSession,
    /// Too many at once, or hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database is away or unwilling.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It couldn't be recorded, so it wasn't done.
    #[error("nothing was done, because it could not be recorded")]
    Audit(#[from] AuditError),
    /// A token couldn't be signed.
    #[error("the access token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
    /// There is no key to sign with.
    #[error("there is no signing key yet; the console makes one as soon as it reaches its database")]
    NoKey,
}

impl IdentityError {
    /// Whether it may work later, because the database (or the key in it) is away.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Db(error) => error.is_unavailable(),
            Self::Audit(error) => error.is_unavailable(),
            Self::NoKey => true,
            Self::WrongCredentials
            | Self::TooManyAttempts { .. }
            | Self::SessionOver
            | Self::NoSuchSession
            | Self::Password(_)
            | Self::Signing(_) => false,
        }
    }
}

impl From<sqlx::Error> for IdentityError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A time as a person says it: `40 seconds`, `15 minutes`.
pub fn spoken(time: Duration) -> String {
    match time.as_secs() {
        0..=1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// The tokens that a browser gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// How long the browser keeps both.
    pub keep: Duration,
}

/// Without the tokens.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// Who is asking, as far as the cookies tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Somebody who is signed in.
    Known {
        /// Who.
        subject: Subject,
        /// New tokens to send with the answer, if these were exchanged.
        renewed: Option<Tokens>,
    },
    /// Nobody: there are no cookies.
    Anonymous,
    /// Nobody any more: the session is over, and the cookies are to be removed.
    Over,
    /// It can't be told, because the database is away.
    Unavailable,
}

/// What [`Identity`] works with.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct IdentityParts {
    pub pool: PgPool,
    pub recorder: Recorder,
    pub passwords: Passwords,
    pub limiter: Limiter,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub config: IdentityConfig,
}

/// Knows who is asking.
#[derive(Debug)]
pub struct Identity {
    pool: PgPool,
    recorder: Recorder,
    passwords: Passwords,
    limiter: Limiter,
    events: EventMaker,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    config: IdentityConfig,
    keys: KeyRing,
    revocations: Revocations,
    just_made: JustMade,
}

impl Identity {
    /// Knows nobody yet: [`run`](Self::run) has to run beside it.
    pub fn new(parts: IdentityParts) -> Self {
        Self {
            events: EventMaker::new(Arc::clone(&parts.clock), Arc::clone(&parts.entropy)),
            pool: parts.pool,
            recorder: parts.recorder,
            passwords: parts.passwords,
            limiter: parts.limiter,
            clock: parts.clock,
            entropy: parts.entropy,
            config: parts.config,
            keys: KeyRing::default(),
            revocations: Revocations::default(),
            just_made: JustMade::default(),
        }
    }

    /// Who is asking, by the tokens of their cookies.
    ///
    /// The usual case (a valid access token) needs no database.
    pub async fn authenticate(
        &self,
        access: Option<&str>,
        refresh: Option<&str>,
        origin: &Origin,
    ) -> Authentication {
        let now = self.clock.now();
        let claims = access
            .and_then(|token| tokens::read(&self.keys.all(), token, now))
            .filter(|claims| !self.revocations.voids(claims));
        let current = self.revocations.is_current();
        let known = |claims: &tokens::Claims, assurance| Authentication::Known {
            subject: claims.clone().subject(assurance),
            renewed: None,
        };
        if let Some(claims) = claims.as_ref().filter(|claims| !claims.is_expired(now, 0)) {
            return known(
                claims,
                if current {
                    Assurance::Current
                } else {
                    Assurance::Outage
                },
            );
        }
        let Some(refresh) = refresh else {
            return if access.is_some() {
                Authentication::Over
            } else {
                Authentication::Anonymous
            };
        };
        let graced = claims.filter(|claims| !claims.is_expired(now, self.config.outage_grace_s));
        if let (Some(claims), false) = (&graced, current) {
            // The watch knows that the database is away; don't make each request find out by waiting.
            return known(claims, Assurance::Outage);
        }
        match self.refresh(refresh, origin).await {
            Ok((subject, tokens)) => Authentication::Known {
                subject,
                renewed: Some(tokens),
            },
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = %error, "a session could not be renewed: the database is away");
                graced.map_or(Authentication::Unavailable, |claims| {
                    known(&claims, Assurance::Outage)
                })
            }
            Err(IdentityError::SessionOver) => Authentication::Over,
            Err(error) => {
                tracing::error!(error = %error, "a session could not be renewed");
                Authentication::Unavailable
            }
        }
    }

    /// Whether a subject that was authenticated some time ago still is: for long answers such as event streams.
    pub fn is_still_valid(&self, subject: &Subject) -> bool {
        match &subject.credential {
            Credential::Session(id) => !self.revocations.ended(*id),
            Credential::ApiToken(token) => !self.revocations.ended(token.id) && self.now() < token.expires_at,
        }
    }

    /// A code for the hidden field of forms, bound to a session or a pre-login cookie; none while there is no key.
    pub fn form_code(&self, binding: &str) -> Option<String> {
        self.keys.code(binding)
    }

    /// Whether a form's code is the one for that binding.
    pub fn is_form_code(&self, binding: &str, code: &str) -> bool {
        self.keys.is_code(binding, code, self.clock.now())
    }

    /// A new random value for the pre-login cookie.
    pub fn new_binding(&self) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(self.entropy.bytes::<32>())
    }

    /// Makes events of the same clock.
    pub fn events(&self) -> &EventMaker {
        &self.events
    }

    /// Records events that share no transaction.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A new id, for a form that makes something.
    pub fn new_id(&self) -> Uuid {
        self.entropy.uuid(self.now())
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

/// A subject as the actor of an event.
pub fn actor(subject: &Subject) -> Actor {
    Actor::User {
        id: subject.user_id,
        name: subject.username.clone(),
    }
}
