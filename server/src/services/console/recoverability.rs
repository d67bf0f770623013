//! What is kept, and where one could return to, for programs.

use std::sync::Arc;

use quarterdeck_app::{
    error::ConsoleError,
    view::backup::{BackupsView, CopyView},
};
use quarterdeck_domain::access::{Permission, Subject};
use time::OffsetDateTime;

use super::{AskedConsole, no_backups};
use crate::services::backups::{reach::Reach, watch::BackupWatch};

impl AskedConsole {
    fn watch_of_backups(&self, subject: &Subject) -> Result<&Arc<BackupWatch>, ConsoleError> {
        self.allow(subject, Permission::ViewBackups)?;
        self.service.backups.as_ref().ok_or_else(no_backups)
    }

    /// Everything about backups, and all copies that are kept, the newest first.
    ///
    /// # Errors
    /// [`ConsoleError::Refused`]; [`ConsoleError::NotFound`] when no backups are configured.
    pub async fn backups_with_copies(
        &self,
        subject: &Subject,
    ) -> Result<(BackupsView, Vec<CopyView>), ConsoleError> {
        let watch = self.watch_of_backups(subject)?;
        Ok((watch.view().await, watch.copies().await))
    }

    /// Everything about backups, and whether one could return to an instant.
    ///
    /// # Errors
    /// [`ConsoleError::Refused`]; [`ConsoleError::NotFound`] when no backups are configured.
    pub async fn recoverability(
        &self,
        subject: &Subject,
        at: Option<OffsetDateTime>,
    ) -> Result<(BackupsView, Option<Reach>), ConsoleError> {
        let watch = self.watch_of_backups(subject)?;
        let reach = match at {
            Some(at) => Some(Reach::of(&*watch.looked().await, at)),
            None => None,
        };
        Ok((watch.view().await, reach))
    }
}
