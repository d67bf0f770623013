//! A person's own sessions: seeing them and ending them.

use quarterdeck_domain::access::Subject;
use quarterdeck_domain::audit::{Action, Detail, Object, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DB_LIMIT, Identity, IdentityError, actor};
use crate::db;
use crate::db::sessions::RevokedReason;
use crate::services::audit::{self, Origin};

/// One of a person's own sessions, as shown to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Its id.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it was last renewed: a session in use renews itself every few minutes.
    pub last_seen_at: OffsetDateTime,
    /// When it ends at the latest.
    pub expires_at: OffsetDateTime,
    /// What the browser calls itself.
    pub user_agent: String,
    /// The address it was last used from.
    pub address: Option<String>,
}

impl Identity {
    /// The open sessions of the person who asks, the last used first.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn own_sessions(&self, subject: &Subject) -> Result<Vec<OwnSession>, IdentityError> {
        let rows = db::within(
            DB_LIMIT,
            db::sessions::open_of_user(&self.pool, subject.user_id, self.now()),
        )
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| OwnSession {
                id: row.id,
                is_this: Some(row.id) == subject.session_id(),
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                user_agent: row.user_agent,
                address: row.address,
            })
            .collect())
    }

    /// Ends one of the asking person's sessions, at once.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchSession`] when it isn't theirs or not open, and that it can't be done now.
    pub async fn revoke_own(
        &self,
        subject: &Subject,
        session_id: Uuid,
        origin: &Origin,
    ) -> Result<(), IdentityError> {
        let now = self.now();
        self.within(async {
            let mut transaction = self.pool.begin().await?;
            let owner = Some(subject.user_id);
            let reason = RevokedReason::Revoked;
            if !db::sessions::revoke(&mut transaction, session_id, owner, reason, now).await? {
                return Err(IdentityError::NoSuchSession);
            }
            audit::append(&mut transaction, &self.revoked(subject, session_id, origin)).await?;
            transaction.commit().await?;
            self.revocations.end(session_id, now);
            Ok(())
        })
        .await
    }

    /// Ends all of the asking person's sessions but this one, at once: how many there were.
    ///
    /// # Errors
    /// That it can't be done now.
    pub async fn revoke_others(&self, subject: &Subject, origin: &Origin) -> Result<usize, IdentityError> {
        let now = self.now();
        self.within(async {
            let mut transaction = self.pool.begin().await?;
            let keep = subject.session_id();
            let reason = RevokedReason::Revoked;
            let ended =
                db::sessions::revoke_all(&mut transaction, subject.user_id, keep, reason, now).await?;
            for id in &ended {
                audit::append(&mut transaction, &self.revoked(subject, *id, origin)).await?;
            }
            transaction.commit().await?;
            for id in &ended {
                self.revocations.end(*id, now);
            }
            Ok(ended.len())
        })
        .await
    }

    fn revoked(
        &self,
        subject: &Subject,
        session_id: Uuid,
        origin: &Origin,
    ) -> quarterdeck_domain::audit::Event {
        self.events.event(
            origin,
            actor(subject),
            Action::SessionRevoked,
            Object::new("session", session_id),
            Outcome::Succeeded,
            Detail::none().with("account", subject.username.as_str()),
        )
    }
}
