//! The keys at hand, and making a new one each day.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use quarterdeck_domain::audit::{Action, Actor, Detail, Object, Outcome};
use sha2::Sha256;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::IdentityError;
use super::tokens::SigningKey;
use crate::config::identity::IdentityConfig;
use crate::db::{self, DbError, signing_keys::SigningKeyRow};
use crate::entropy::Entropy;
use crate::services::audit::{self, EventMaker, Origin};

/// How long a key may still sign past its time, while a newer one is on its way.
const LATE: Duration = Duration::hours(1);

/// The keys that this console knows, the newest first.
#[derive(Debug, Default)]
pub struct KeyRing(RwLock<Arc<Vec<SigningKey>>>);

impl KeyRing {
    /// The keys as they are now.
    pub fn all(&self) -> Arc<Vec<SigningKey>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key to sign with, if there is one that is young enough.
    pub fn current(&self, now: OffsetDateTime, config: &IdentityConfig) -> Option<SigningKey> {
        let newest = self.all().first()?.clone();
        (now < newest.created_at + rotation(config) + LATE).then_some(newest)
    }

    /// Takes what the database holds.
    pub async fn load(&self, pool: &PgPool, now: OffsetDateTime) -> Result<(), DbError> {
        let rows = db::signing_keys::live(pool, now).await?;
        self.set(rows);
        Ok(())
    }

    fn set(&self, rows: Vec<SigningKeyRow>) {
        let keys = rows
            .into_iter()
            .map(|row| SigningKey::new(row.kid, row.secret, row.created_at, row.verify_until))
            .collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Makes a new key if the newest is past its time or there is none, however many consoles find that at once.
    pub async fn rotate_if_due(
        &self,
        pool: &PgPool,
        events: &EventMaker,
        entropy: &dyn Entropy,
        now: OffsetDateTime,
        config: &IdentityConfig,
    ) -> Result<(), IdentityError> {
        let due = |newest: Option<OffsetDateTime>| newest.is_none_or(|made| now >= made + rotation(config));
        if !due(self.all().first().map(|key| key.created_at)) {
            return Ok(());
        }
        let mut transaction = pool.begin().await.map_err(DbError::from)?;
        db::signing_keys::lock_rotation(&mut transaction).await?;
        // Another console may have been first.
        let live = db::signing_keys::live(&mut *transaction, now).await?;
        if due(live.first().map(|key| key.created_at)) {
            let tokens_live = i64::from(config.access_ttl_s) + i64::from(config.outage_grace_s);
            let key = SigningKeyRow {
                kid: entropy.uuid(now).to_string(),
                secret: entropy.bytes::<32>().to_vec(),
                created_at: now,
                verify_until: now + rotation(config) + LATE + Duration::seconds(tokens_live),
            };
            db::signing_keys::insert(&mut transaction, &key).await?;
            db::signing_keys::prune(&mut transaction, now).await?;
            let event = events.event(
                &Origin::default(),
                Actor::System,
                Action::SigningKeyRotated,
                Object::new("signing_key", &key.kid),
                Outcome::Succeeded,
                Detail::none(),
            );
            audit::append(&mut transaction, &event).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        Ok(self.load(pool, now).await?)
    }

    /// A code that only the consoles of this installation can make for `text`; none while there is no key.
    pub fn code(&self, text: &str) -> Option<String> {
        let code = mac(self.all().first()?, text)?.finalize().into_bytes();
        Some(URL_SAFE_NO_PAD.encode(code))
    }

    /// Whether `code` was made for `text`, with any key that is still good.
    pub fn is_code(&self, text: &str, code: &str, now: OffsetDateTime) -> bool {
        let Ok(code) = URL_SAFE_NO_PAD.decode(code) else {
            return false;
        };
        self.all()
            .iter()
            .filter(|key| now < key.verify_until)
            .any(|key| mac(key, text).is_some_and(|mac| mac.verify_slice(&code).is_ok()))
    }
}

fn rotation(config: &IdentityConfig) -> Duration {
    Duration::seconds(i64::from(config.key_rotation_s))
}

fn mac(key: &SigningKey, text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret()).ok()?;
    // A token's signature never covers a text that begins like this one.
    mac.update(b"quarterdeck form code:");
    mac.update(text.as_bytes());
    Some(mac)
}
