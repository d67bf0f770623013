//! Asks Alertmanager which alerts are silenced or inhibited, and silences some.

mod silences;

use std::collections::BTreeSet;

use quarterdeck_domain::alert::AlertState;
use serde::Deserialize;

use super::{
    http_source::{HttpSource, HttpSourceSetupError, SourceError},
    prometheus::Labels,
};
use crate::config::http_source::HttpSourceConfig;

pub use silences::{Matcher, NewSilence, Silence};

/// An alert as Alertmanager holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertmanagerAlert {
    /// Its labels, with the external labels of the Prometheus that sent it.
    pub labels: Labels,
    /// [`AlertState::Firing`], [`AlertState::Silenced`] or [`AlertState::Inhibited`].
    pub state: AlertState,
}

/// A client of one Alertmanager. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct AlertmanagerClient {
    source: HttpSource,
}

impl AlertmanagerClient {
    /// Prepares a client; nothing is asked yet.
    ///
    /// # Errors
    /// [`HttpSourceSetupError`] for headers or certificates that cannot be used.
    pub fn new(config: &HttpSourceConfig) -> Result<Self, HttpSourceSetupError> {
        Ok(Self {
            source: HttpSource::new(config)?,
        })
    }

    /// All alerts that it holds.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn alerts(&self) -> Result<Vec<AlertmanagerAlert>, SourceError> {
        let answer = self.source.get("/api/v2/alerts", &[]).await?;
        if !answer.status.is_success() {
            return Err(answer.into_status_error());
        }
        decode(&answer.body)
    }

    /// Whether it is ready to serve.
    ///
    /// # Errors
    /// [`SourceError`], also when it answers that it is not.
    pub async fn ready(&self) -> Result<(), SourceError> {
        let answer = self.source.get("/-/ready", &[]).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(answer.into_status_error())
        }
    }
}

fn decode(body: &[u8]) -> Result<Vec<AlertmanagerAlert>, SourceError> {
    let raw: Vec<RawAlert> = serde_json::from_slice(body).map_err(|error| SourceError::Malformed {
        message: error.to_string(),
    })?;
    Ok(raw.into_iter().map(RawAlert::into_alert).collect())
}

#[derive(Deserialize)]
struct RawAlert {
    #[serde(default)]
    labels: Labels,
    status: RawStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    #[serde(default)]
    silenced_by: BTreeSet<String>,
    #[serde(default)]
    inhibited_by: BTreeSet<String>,
}

impl RawAlert {
    /// By the lists and not by `state`: `suppressed` does not say by what, and muted times are suppressed
    /// too, but fire.
    fn into_alert(self) -> AlertmanagerAlert {
        let state = if !self.status.silenced_by.is_empty() {
            AlertState::Silenced
        } else if !self.status.inhibited_by.is_empty() {
            AlertState::Inhibited
        } else {
            AlertState::Firing
        };
        AlertmanagerAlert {
            labels: self.labels,
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_suppresses_an_alert_is_told() {
        let alert = |silenced: &[&str], inhibited: &[&str]| {
            json!({"labels": {"alertname": "A"}, "annotations": {}, "fingerprint": "f",
                "status": {"state": "suppressed", "silencedBy": silenced, "inhibitedBy": inhibited}})
        };
        let body = json!([alert(&[], &[]), alert(&["s"], &["i"]), alert(&[], &["i"])]).to_string();
        let states: Vec<_> = decode(body.as_bytes())
            .unwrap()
            .into_iter()
            .map(|a| a.state)
            .collect();
        assert_eq!(
            states,
            [AlertState::Firing, AlertState::Silenced, AlertState::Inhibited]
        );
        assert!(matches!(decode(b"{}"), Err(SourceError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn mangled_bytes_do_not_panic(at in 0usize..80, bytes in proptest::collection::vec(any::<u8>(), 0..6)) {
            let mut body = br#"[{"labels":{"a":"b"},"status":{"silencedBy":["x"],"inhibitedBy":[]}}]"#.to_vec();
            body.splice(at.min(body.len())..(at + 4).min(body.len()), bytes);
            let _ = decode(&body);
        }
    }
}
