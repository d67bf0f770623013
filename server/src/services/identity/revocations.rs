//! Which access tokens are void before their end, in memory: no request pays a trip to the database for it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::tokens::Claims;
use crate::db::{self, DbError};

/// The channel on which the database's triggers announce what voids tokens.
pub const CHANNEL: &str = "quarterdeck_identity";

/// What the database announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Announcement {
    /// An account's tokens with an older epoch are void.
    User {
        /// The account.
        id: Uuid,
        /// Its epoch now.
        epoch: i64,
    },
    /// A session was ended.
    Session {
        /// The session.
        id: Uuid,
    },
    /// An API token was revoked.
    ApiToken {
        /// The token.
        id: Uuid,
    },
    /// There is a new signing key.
    Keys,
}

#[derive(Debug, Default)]
struct Known {
    current: bool,
    /// Sessions and API tokens, which are told apart by their ids anyway.
    ended: HashMap<Uuid, OffsetDateTime>,
    epochs: HashMap<Uuid, i64>,
}

/// What this console knows about void tokens.
#[derive(Debug, Default)]
pub struct Revocations(RwLock<Known>);

impl Revocations {
    /// Whether a token is void.
    pub fn voids(&self, claims: &Claims) -> bool {
        self.ended(claims.sid)
            || self.read(|known| {
                known
                    .epochs
                    .get(&claims.sub)
                    .is_some_and(|epoch| *epoch > claims.epoch)
            })
    }

    /// Whether a session was ended, or an API token was revoked.
    pub fn ended(&self, id: Uuid) -> bool {
        self.read(|known| known.ended.contains_key(&id))
    }

    /// Whether the console hears of revocations at this time. When it doesn't, it may have missed one.
    pub fn is_current(&self) -> bool {
        self.read(|known| known.current)
    }

    /// Notes whether the console hears of revocations.
    pub fn set_current(&self, current: bool) {
        self.write(|known| known.current = current);
    }

    /// A session was ended, or an API token was revoked, at `at`.
    pub fn end(&self, id: Uuid, at: OffsetDateTime) {
        self.write(|known| {
            known.ended.insert(id, at);
        });
    }

    /// An account's tokens with an epoch below `epoch` are void.
    pub fn raise_epoch(&self, id: Uuid, epoch: i64) {
        self.write(|known| {
            let entry = known.epochs.entry(id).or_insert(epoch);
            *entry = epoch.max(*entry);
        });
    }

    /// Takes what the database holds, and forgets sessions that ended before `since`: their tokens have expired.
    pub async fn load(&self, pool: &PgPool, since: OffsetDateTime) -> Result<(), DbError> {
        let epochs = db::users::token_epochs(pool).await?;
        let sessions = db::sessions::revoked_since(pool, since).await?;
        let tokens = db::api_tokens::revoked_since(pool, since).await?;
        // Merged, not replaced: something newer may have been announced since the database was read.
        for (id, epoch) in epochs {
            self.raise_epoch(id, epoch);
        }
        self.write(|known| {
            known.ended.retain(|_, at| *at >= since);
            known.ended.extend(sessions.into_iter().chain(tokens));
        });
        Ok(())
    }

    fn read<T>(&self, question: impl FnOnce(&Known) -> T) -> T {
        question(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
