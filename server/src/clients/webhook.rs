//! Posts messages to a receiver, signed so that it knows who sent them.
//!
//! `Quarterdeck-Signature: t=<Unix seconds>,v1=<hex>`, where the hex digits are HMAC-SHA256 of `<t>.<body>` with the shared
//! secret. `Quarterdeck-Delivery` names the message: a message may come more than once, and then has the same name.

use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;

use super::install_tls_provider;
use crate::config::webhook::WebhookConfig;

/// Why a message was not taken. No text holds the address or the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No answer.
    #[error("the receiver did not answer: {0}")]
    Unreachable(String),
    /// An answer that does not accept it.
    #[error("the receiver answered with status {0}")]
    Status(u16),
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    secret: SecretString,
}

impl Webhook {
    /// Prepares to post.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: &WebhookConfig) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = reqwest::Client::builder()
            .timeout(config.timeout())
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            url: config.url.clone(),
            secret: config.secret.clone(),
        })
    }

    /// Posts one message.
    ///
    /// # Errors
    /// [`WebhookError`]; the receiver may have taken it all the same.
    pub async fn post(&self, delivery: i64, at_s: i64, body: String) -> Result<(), WebhookError> {
        let signature = sign(self.secret.expose_secret(), at_s, &body);
        let answer = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("quarterdeck-delivery", delivery)
            .header("quarterdeck-signature", format!("t={at_s},v1={signature}"))
            .body(body)
            .send()
            .await
            .map_err(|error| WebhookError::Unreachable(error.without_url().to_string()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(WebhookError::Status(answer.status().as_u16()))
        }
    }
}

/// The signature of a body sent at a time, 64 hexadecimal digits.
#[must_use]
pub fn sign(secret: &str, at_s: i64, body: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at_s}.{body}").as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '%s' '1795558263.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of some length'
        assert_eq!(
            sign("a secret of some length", 1_795_558_263, r#"{"a":1}"#),
            "cf5945fa998dd98af7eb3d3c30c63fb283538764abf686e27da9cd857f33dafe"
        );
    }
}
