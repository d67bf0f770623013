//! The section `[webhook]`: where people are told what happens to guarded actions.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// Who is told, and how hard it is tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where messages are posted.
    pub url: Url,
    /// What they are signed with, so that the receiver knows that they come from here; at least 16 characters.
    pub secret: SecretString,
    /// Longest time to wait for an answer, seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// After so many attempts a message is given up. Pauses grow from 5 seconds to 10 minutes.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: u32,
}

const fn default_timeout_s() -> f64 {
    5.0
}

const fn default_max_attempts() -> u32 {
    15
}

/// A `[webhook]` section that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookConfigError {
    /// An address that nothing can be posted to.
    #[error("webhook.url has to begin with http:// or https://")]
    Url,
    /// A secret that can be guessed.
    #[error("webhook.secret needs at least 16 characters; make one with: openssl rand -hex 32")]
    Secret,
    /// Limits that make no sense.
    #[error("webhook.timeout_s must lie between 0.1 and 60, and webhook.max_attempts between 1 and 100")]
    Limits,
}

impl WebhookConfig {
    /// Longest time to wait for an answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(5))
    }

    /// Finds what cannot be used.
    ///
    /// # Errors
    /// [`WebhookConfigError`], the first that is found.
    pub fn check(&self) -> Result<(), WebhookConfigError> {
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(WebhookConfigError::Url);
        }
        if self.secret.expose_secret().chars().count() < 16 {
            return Err(WebhookConfigError::Secret);
        }
        if !(0.1..=60.0).contains(&self.timeout_s) || !(1..=100).contains(&self.max_attempts) {
            return Err(WebhookConfigError::Limits);
        }
        Ok(())
    }
}
