//! The means by which clients are sent to the primary: one file a means, and one trait for all.

mod by_patroni;
mod command;
mod kubernetes;
mod pgbouncer;

use std::{fmt::Debug, pin::Pin, time::Duration};

use quarterdeck_domain::failover::Routes;

use crate::config::failover::{FailoverConfig, FailoverConfigError};

/// A boxed future: what makes the trait object-safe.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A means of sending clients to a node. What goes wrong is told in a sentence without its full stop.
pub trait ClientRouting: Send + Sync + Debug {
    /// What it is and where it works, without a secret: "PgBouncer at 127.0.0.1:6432".
    fn describe(&self) -> String;

    /// Whether clients find the primary without being sent there.
    fn by_itself(&self) -> bool {
        false
    }

    /// Whether it can hold clients back at all; where it can't, they go on trying the old primary until they are sent elsewhere.
    fn holds(&self) -> bool;

    /// Where clients are sent.
    fn read(&self) -> Work<'_, Result<Routes, String>>;

    /// Holds clients back: who begins something waits. Answers when all that was begun has ended; where that takes longer
    /// than `patience`, clients go on and it is an error. Answers what was done, in a sentence; where it can't hold them, what they
    /// do instead.
    fn hold(&self, patience: Duration) -> Work<'_, Result<String, String>>;

    /// Holds clients back and cuts off what is under way: for a primary that is gone. Answers what was done; where it can't, that
    /// nothing was.
    fn cut(&self) -> Work<'_, Result<String, String>>;

    /// Sends clients to a node, and sees that it came about. Answers what was done.
    fn point_to<'a>(&'a self, host: &'a str, port: u16) -> Work<'a, Result<String, String>>;

    /// Lets clients go on where they were held back. It does nothing where they are not held back. Answers what was done.
    fn release(&self) -> Work<'_, Result<String, String>>;
}

/// What becomes of clients in a switchover by a means that can't hold them back.
fn not_held(by: &str) -> String {
    format!(
        "{by} can't hold clients back: they go on until the old primary is read-only, and get errors from then until they are sent to the new one."
    )
}

/// The same in a failover.
fn not_cut(by: &str) -> String {
    format!(
        "{by} can't cut clients off, and nothing was: they go on trying the old primary until they are sent to the new one."
    )
}

/// The means that the configuration names.
///
/// # Errors
/// For settings that can't be used.
pub fn routing(config: &FailoverConfig) -> Result<Box<dyn ClientRouting>, FailoverConfigError> {
    if let Some(pgbouncer) = &config.pgbouncer {
        return Ok(Box::new(pgbouncer::Pgbouncer::new(pgbouncer.clone())?));
    }
    if let Some(kubernetes) = &config.kubernetes {
        return Ok(Box::new(kubernetes::Endpoints::new(kubernetes)));
    }
    if let Some(command) = &config.command {
        return Ok(Box::new(command::CommandRouting::new(
            command.clone(),
            config.directory.clone(),
        )));
    }
    if config.patroni.is_some() {
        return Ok(Box::new(by_patroni::ByPatroni));
    }
    Err(FailoverConfigError::Means)
}
