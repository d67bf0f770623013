//! What is past its retention, and deleting it: each thing is recorded before it goes.

use std::sync::Arc;

use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    backup::{Method, RetentionPlan, SegmentName, Stored, StoredCopy, WalDeletion, manifest::SUFFIX},
};
use sqlx::PgPool;

use super::watch::{BackupWatch, Look};
use crate::{
    clients::store::{Store, StoreError},
    db::{
        DbError,
        backups::copies::{self, SeenCopy},
    },
    services::audit::{self, AuditError, EventMaker, Origin},
};

/// Why it can't be said what may go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// The store.
    #[error("The store can't be looked into: {0}. What is not seen can't be judged.")]
    Store(StoreError),
    /// The archive.
    #[error("The archive of WAL can't be looked into: {0}. What is not seen can't be judged.")]
    Archive(StoreError),
    /// The console's own database.
    #[error("The console's own database does not answer: it knows what is pinned and what is verified.")]
    Database,
}

/// Why something was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// It could not be recorded.
    #[error("the record of it can't be written, so it was left")]
    Unrecorded(#[from] AuditError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbError> for DeletionError {
    fn from(error: DbError) -> Self {
        Self::Unrecorded(error.into())
    }
}

impl From<sqlx::Error> for DeletionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unrecorded(DbError::from(error).into())
    }
}

/// Judges and deletes.
#[derive(Debug)]
pub struct OldBackups {
    watch: Arc<BackupWatch>,
    pool: PgPool,
    events: EventMaker,
}

impl OldBackups {
    /// Over what is kept.
    #[must_use]
    pub const fn new(watch: Arc<BackupWatch>, pool: PgPool, events: EventMaker) -> Self {
        Self { watch, pool, events }
    }

    /// What would go and what would stay, of all that is there now, and the look that it rests on.
    ///
    /// # Errors
    /// [`RetentionError`] when not all of it can be seen.
    pub async fn plan(&self) -> Result<(Arc<Look>, RetentionPlan), RetentionError> {
        let look = self.watch.look_now().await;
        let inventory = look
            .inventory
            .as_ref()
            .map_err(|error| RetentionError::Store(error.clone()))?;
        let wal = match &look.archive {
            None => None,
            Some(Ok(found)) => Some(&found.wal),
            Some(Err(error)) => return Err(RetentionError::Archive(error.clone())),
        };
        let rows = look.rows.as_ref().ok_or(RetentionError::Database)?;
        let copies: Vec<StoredCopy> = inventory
            .copies
            .iter()
            .filter(|copy| copy.method != Method::Base)
            .map(|copy| {
                let row = rows.get(&copy.name);
                StoredCopy {
                    id: copy.name.clone(),
                    method: copy.method,
                    at: copy
                        .manifest
                        .as_ref()
                        .map_or(copy.stored_at, |manifest| manifest.source.instant()),
                    condition: copy.condition(row),
                    pinned: row.is_some_and(|row| row.pinned_by.is_some()),
                }
            })
            .collect();
        let plan = self.watch.config().retention().plan(
            &Stored {
                bases: &look.bases,
                wal,
                copies: &copies,
            },
            look.at,
        );
        Ok((look, plan))
    }

    /// Deletes a copy: its files first and its manifest last, so that half of it is never taken for a whole one.
    ///
    /// # Errors
    /// [`DeletionError`].
    pub async fn delete_copy(
        &self,
        look: &Look,
        name: &str,
        why: &str,
        by: &str,
    ) -> Result<(), DeletionError> {
        let mut found = look.inventory.iter().flat_map(|inventory| &inventory.copies);
        let Some(copy) = found.find(|copy| copy.name == name) else {
            return Ok(());
        };
        let mut transaction = self.pool.begin().await?;
        copies::deleting(&mut *transaction, name, why).await?;
        self.record(&mut transaction, name, why, by).await?;
        transaction.commit().await?;
        let store = self.watch.store();
        for path in files(copy) {
            store.delete(&path).await?;
        }
        Ok(())
    }

    /// Deletes segments of the archive.
    ///
    /// # Errors
    /// [`DeletionError`].
    pub async fn delete_wal(
        &self,
        look: &Look,
        wal: &WalDeletion,
        why: &str,
        by: &str,
    ) -> Result<(), DeletionError> {
        let (Some(Ok(archive)), Some(store)) = (&look.archive, self.watch.wal_store()) else {
            return Ok(());
        };
        let store: &Store = store;
        let mut transaction = self.pool.begin().await?;
        self.record(&mut transaction, &wal_title(look, wal), why, by)
            .await?;
        transaction.commit().await?;
        for number in wal.first..=wal.last {
            let name = SegmentName {
                timeline: wal.timeline,
                number,
            };
            if let Some(file) = archive.files.get(&name) {
                store.delete(&file.path).await?;
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        transaction: &mut sqlx::PgConnection,
        what: &str,
        why: &str,
        by: &str,
    ) -> Result<(), AuditError> {
        let event = self.events.event(
            &Origin::default(),
            Actor::System,
            Action::BackupDeleted,
            Object::new("backup", what),
            Outcome::Succeeded,
            Detail::none().with("reason", why).with("action", by),
        );
        audit::append(transaction, &event).await
    }
}

/// What a range of segments is called.
#[must_use]
pub fn wal_title(look: &Look, wal: &WalDeletion) -> String {
    let size = match &look.archive {
        Some(Ok(archive)) => archive.wal.size(),
        Some(Err(_)) | None => quarterdeck_domain::backup::SegmentSize::DEFAULT,
    };
    let name = |number| {
        SegmentName {
            timeline: wal.timeline,
            number,
        }
        .file_name(size)
    };
    if wal.count() == 1 {
        format!("WAL segment {}", name(wal.first))
    } else {
        format!(
            "{} WAL segments, {} to {}",
            wal.count(),
            name(wal.first),
            name(wal.last)
        )
    }
}

/// The files of a copy, its manifest last. A manifest that names files of something else does not take those along.
fn files(copy: &SeenCopy) -> Vec<String> {
    let own = |path: &&String| {
        path.strip_prefix(&copy.name)
            .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('/'))
    };
    match &copy.manifest {
        Some(manifest) => {
            let paths: Vec<&String> = manifest.files.iter().map(|file| &file.path).collect();
            let mut files: Vec<String> = paths.into_iter().filter(own).cloned().collect();
            files.push(format!("{}{SUFFIX}", copy.name));
            files
        }
        None => {
            let ending = match copy.method {
                Method::RedisRdb => ".rdb",
                Method::Dump | Method::Base | Method::Wal | Method::RedisAof => ".dump",
            };
            vec![format!("{}{ending}", copy.name), format!("{}{SUFFIX}", copy.name)]
        }
    }
}
