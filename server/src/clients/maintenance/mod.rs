//! The means by which maintenance mode is switched: one file a means, and one trait for all.

mod command;
mod http;
mod kubernetes;
mod probes;
mod redis;

use std::{fmt::Debug, pin::Pin};

use quarterdeck_domain::maintenance::Mode;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use probes::Probes;

use crate::config::maintenance::MaintenanceConfig;

/// A boxed future: what makes the trait object-safe.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One place where the mode is kept: an address, a deployment, a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Identifies it beyond doubt.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Whether it is on there.
    pub mode: Mode,
    /// What stands there, or why it can't be read.
    pub value: String,
}

/// What is to be switched, and what users are to be told.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// On or off.
    pub on: bool,
    /// What users are told; empty when it is switched off.
    pub message: &'a str,
    /// When it should be over; none when it is switched off.
    pub until: Option<OffsetDateTime>,
}

impl Order<'_> {
    /// The expected end as text: RFC 3339, or nothing.
    fn until_text(&self) -> String {
        self.until
            .and_then(|until| until.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// A text with what stands in braces replaced.
    fn fill(&self, text: &str) -> String {
        // Each piece is looked at once, so that a message that holds braces is told as it is.
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            filled.push_str(before);
            if let Some(after) = tail.strip_prefix("{message}") {
                filled.push_str(self.message);
                rest = after;
            } else if let Some(after) = tail.strip_prefix("{until}") {
                filled.push_str(&self.until_text());
                rest = after;
            } else {
                filled.push('{');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// Why it was not switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// It was refused, or could not even be asked for. Where there are several places, some may have been switched: the
    /// text says so.
    #[error("{0}")]
    Refused(String),
    /// It was asked for, and it is not known what came of it.
    #[error("{0}")]
    Unknown(String),
}

/// A means of switching maintenance mode.
pub trait Driver: Send + Sync + Debug {
    /// What it is and where it works, in a sentence without a secret.
    fn describe(&self) -> String;

    /// How long a switch takes when all is well, seconds.
    fn expected_s(&self) -> u32;

    /// What stands in each place now. The places are always the same ones; one that can't be read is
    /// [`Mode::Unknown`], with the reason as its value.
    fn read(&self) -> Work<'_, Vec<Place>>;

    /// Switches, and waits until that has come about where the means can tell. Answers what was seen, in a sentence.
    fn switch<'a>(&'a self, order: Order<'a>) -> Work<'a, Result<String, SwitchError>>;
}

/// The means that the configuration names.
///
/// # Errors
/// For settings that cannot be used; the text names them.
pub fn driver(config: &MaintenanceConfig) -> anyhow::Result<Box<dyn Driver>> {
    use anyhow::Context;
    if let Some(http) = &config.http {
        return Ok(Box::new(
            http::HttpSwitch::new(http).context("[maintenance.http]")?,
        ));
    }
    if let Some(command) = &config.command {
        return Ok(Box::new(command::CommandSwitch::new(command.clone())));
    }
    if let Some(redis) = &config.redis {
        return Ok(Box::new(
            redis::RedisSwitch::new(redis).context("[maintenance.redis]")?,
        ));
    }
    if let Some(kubernetes) = &config.kubernetes {
        return Ok(Box::new(kubernetes::KubernetesSwitch::new(kubernetes.clone())));
    }
    anyhow::bail!("[maintenance] names no means of switching")
}

/// The beginning of a text as one printable line.
fn line(text: &str) -> String {
    super::http_source::excerpt(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn what_stands_in_braces_is_replaced_once() {
        let order = Order {
            on: true,
            message: "{until} {x}",
            until: Some(datetime!(2026-11-25 03:30 UTC)),
        };
        assert_eq!(
            order.fill("{\"m\":\"{message}\",\"u\":\"{until}\",{}"),
            "{\"m\":\"{until} {x}\",\"u\":\"2026-11-25T03:30:00Z\",{}"
        );
    }
}
