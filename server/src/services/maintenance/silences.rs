//! Silencing what the 503s of maintenance mode would fire, and ending that.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Maintenance;
use crate::clients::{
    SourceError,
    alertmanager::{Matcher, NewSilence},
};

/// Why alerts were not silenced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is nobody to ask.
    #[error("no Alertmanager is configured")]
    NoAlertmanager,
    /// Nothing is to be silenced.
    #[error("silence_alerts is empty")]
    NothingToSilence,
    /// It does not answer, or refuses.
    #[error("Alertmanager: {0}")]
    Source(#[from] SourceError),
}

/// How silences were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How many there were.
    pub count: usize,
    /// Until when they stay, because rules look back; none if they ended at once.
    pub until: Option<OffsetDateTime>,
}

impl Maintenance {
    /// Whether alerts can be silenced.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub async fn can_silence(&self) -> Result<(), SilenceError> {
        if self.config.silence_alerts.is_empty() {
            return Err(SilenceError::NothingToSilence);
        }
        let alertmanager = self.alertmanager.as_ref().ok_or(SilenceError::NoAlertmanager)?;
        Ok(alertmanager.ready().await?)
    }

    /// Silences for an action until `until`, and answers the ids.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub async fn silence(
        &self,
        until: OffsetDateTime,
        why: &str,
        action: Uuid,
    ) -> Result<Vec<String>, SilenceError> {
        if self.config.silence_alerts.is_empty() {
            return Err(SilenceError::NothingToSilence);
        }
        let alertmanager = self.alertmanager.as_ref().ok_or(SilenceError::NoAlertmanager)?;
        let equal = |name: &str, value: &str, is_regex| Matcher {
            name: name.to_owned(),
            value: value.to_owned(),
            is_regex,
            is_equal: true,
        };
        let mut matchers = vec![equal("alertname", &self.config.silence_alerts.join("|"), true)];
        let labels = &self.config.silence_labels;
        matchers.extend(labels.iter().map(|(name, value)| equal(name, value, false)));
        let new = NewSilence {
            matchers,
            starts_at: self.clock.now(),
            ends_at: until,
            created_by: self.created_by.clone(),
            comment: format!("{why} {}", mark(action)),
        };
        Ok(vec![alertmanager.silence(&new).await?])
    }

    /// Ends the silences `ids` and all others that this console has made, those of an action that was interrupted
    /// included: at once, or when `tail` has passed. One that is over sooner is left as it is.
    ///
    /// # Errors
    /// [`SilenceError`]; some may be ended.
    pub async fn end_silences(
        &self,
        ids: &[String],
        tail: std::time::Duration,
    ) -> Result<Ended, SilenceError> {
        let alertmanager = self.alertmanager.as_ref().ok_or(SilenceError::NoAlertmanager)?;
        let mut silences = alertmanager.silences().await?;
        silences.retain(|silence| silence.created_by == self.created_by || ids.contains(&silence.id));
        if tail.is_zero() {
            for silence in &silences {
                alertmanager.end_silence(&silence.id).await?;
            }
        } else {
            let until = self.clock.now() + tail;
            for silence in silences.iter_mut().filter(|silence| silence.ends_at > until) {
                alertmanager.move_end(silence, until).await?;
                silence.ends_at = until;
            }
        }
        Ok(Ended {
            count: silences.len(),
            until: silences
                .iter()
                .map(|silence| silence.ends_at)
                .max()
                .filter(|_| !tail.is_zero()),
        })
    }

    /// Ends at once what was silenced for one action, and answers how many silences there were.
    ///
    /// # Errors
    /// [`SilenceError`]; some may be ended.
    pub async fn end_silences_of(&self, action: Uuid) -> Result<usize, SilenceError> {
        let alertmanager = self.alertmanager.as_ref().ok_or(SilenceError::NoAlertmanager)?;
        let mut silences = alertmanager.silences().await?;
        let mark = mark(action);
        silences.retain(|silence| silence.created_by == self.created_by && silence.comment.ends_with(&mark));
        for silence in &silences {
            alertmanager.end_silence(&silence.id).await?;
        }
        Ok(silences.len())
    }
}

/// By what the silences of an action are known, whether or not it came to write down their ids.
fn mark(action: Uuid) -> String {
    format!("(quarterdeck action {action})")
}
