//! Making and ending silences, by Alertmanager's API v2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{AlertmanagerClient, SourceError};

/// One condition of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// Its value, or a regular expression over the whole of it.
    pub value: String,
    /// Whether `value` is a regular expression.
    pub is_regex: bool,
    /// Whether the label has to match, or must not.
    #[serde(default = "equal")]
    pub is_equal: bool,
}

const fn equal() -> bool {
    true
}

/// A silence that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence {
    /// Which alerts.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: OffsetDateTime,
    /// Until when.
    pub ends_at: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence as Alertmanager holds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Until when.
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// How it is.
    status: RawStatus,
    /// Whatever else it holds, to be sent back as it came.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RawStatus {
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMade {
    // Called `silenceID`, and not `silenceId`.
    #[serde(rename = "silenceID")]
    silence_id: String,
}

impl Silence {
    /// Whether it silences, or will.
    fn is_in_force(&self) -> bool {
        self.status.state != "expired"
    }
}

fn stamp(at: OffsetDateTime) -> Result<String, SourceError> {
    at.format(&Rfc3339).map_err(|error| SourceError::BadQuery {
        message: format!("a time has no text: {error}"),
    })
}

impl AlertmanagerClient {
    /// Makes a silence and answers its id.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn silence(&self, new: &NewSilence) -> Result<String, SourceError> {
        self.post_silence(&serde_json::json!({
            "matchers": new.matchers,
            "startsAt": stamp(new.starts_at)?,
            "endsAt": stamp(new.ends_at)?,
            "createdBy": new.created_by,
            "comment": new.comment,
        }))
        .await
    }

    /// The silences that are in force.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn silences(&self) -> Result<Vec<Silence>, SourceError> {
        let answer = self.source.get("/api/v2/silences", &[]).await?;
        if !answer.status.is_success() {
            return Err(answer.into_status_error());
        }
        let mut silences: Vec<Silence> =
            serde_json::from_slice(&answer.body).map_err(|error| SourceError::Malformed {
                message: error.to_string(),
            })?;
        silences.retain(Silence::is_in_force);
        Ok(silences)
    }

    /// Ends a silence at once.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn end_silence(&self, id: &str) -> Result<(), SourceError> {
        let answer = self.source.delete(&format!("/api/v2/silence/{id}")).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(answer.into_status_error())
        }
    }

    /// Lets a silence end at another time.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn move_end(&self, silence: &Silence, ends_at: OffsetDateTime) -> Result<String, SourceError> {
        let mut body = silence.rest.clone();
        body.remove("updatedAt");
        body.insert("id".to_owned(), silence.id.clone().into());
        body.insert("createdBy".to_owned(), silence.created_by.clone().into());
        body.insert("comment".to_owned(), silence.comment.clone().into());
        body.insert("endsAt".to_owned(), stamp(ends_at)?.into());
        self.post_silence(&serde_json::json!(body)).await
    }

    async fn post_silence(&self, body: &Value) -> Result<String, SourceError> {
        let answer = self.source.post_json("/api/v2/silences", body).await?;
        if !answer.status.is_success() {
            return Err(answer.into_status_error());
        }
        let made: RawMade = serde_json::from_slice(&answer.body).map_err(|error| SourceError::Malformed {
            message: error.to_string(),
        })?;
        Ok(made.silence_id)
    }
}
