//! The section `[email]`: the SMTP server by which people are told what concerns them.

use std::{path::PathBuf, time::Duration};

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::Deserialize;

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailTls {
    /// The connection begins in the clear and is encrypted before anything is said; a server that can't is refused.
    #[default]
    StartTls,
    /// Encrypted from the first byte.
    Implicit,
    /// Not at all: for a relay on the same machine.
    None,
}

impl EmailTls {
    /// The port that servers listen on for it.
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// The server, who writes, and how hard it is tried.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Name of the server, which its certificate has to bear.
    pub host: String,
    /// Its port; without one, the usual one for `tls`.
    pub port: Option<u16>,
    /// How the way there is protected.
    #[serde(default)]
    pub tls: EmailTls,
    /// PEM file with the certificate authorities that are trusted instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Who signs in there; nobody without it.
    pub username: Option<String>,
    /// Their password.
    pub password: Option<SecretString>,
    /// File that holds the password. Read again for each message.
    pub password_file: Option<PathBuf>,
    /// The sender: `quarterdeck@example.org` or `Quarterdeck <quarterdeck@example.org>`.
    pub from: String,
    /// Longest time that sending one message may take; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// After so many attempts a message is given up. Pauses grow from 5 seconds to 10 minutes.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: u32,
}

const fn default_timeout_s() -> f64 {
    15.0
}

const fn default_max_attempts() -> u32 {
    15
}

/// An `[email]` section that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmailConfigError {
    /// Nothing to connect to.
    #[error("email.host is empty; name the SMTP server")]
    Host,
    /// A sender that is no address.
    #[error("email.from is no e-mail address; write name@example.org or Quarterdeck <name@example.org>")]
    From,
    /// Half of what signing in takes, or twice the same.
    #[error(
        "to sign in, [email] needs username and either password or password_file; to send without signing in, none of them"
    )]
    Credentials,
    /// A password that everybody on the way could read.
    #[error(
        "[email] would send the password unencrypted: set tls to \"starttls\" or \"implicit\", or send without signing in"
    )]
    PasswordInTheClear,
    /// Limits that make no sense.
    #[error("email.timeout_s must lie between 0.1 and 60, and email.max_attempts between 1 and 100")]
    Limits,
}

impl EmailConfig {
    /// The server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.tls.port())
    }

    /// Longest time that sending one message may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(15))
    }

    /// The sender.
    ///
    /// # Errors
    /// [`EmailConfigError::From`].
    pub fn sender(&self) -> Result<Mailbox, EmailConfigError> {
        self.from.parse().map_err(|_| EmailConfigError::From)
    }

    /// Finds what cannot be used.
    ///
    /// # Errors
    /// [`EmailConfigError`], the first that is found.
    pub fn check(&self) -> Result<(), EmailConfigError> {
        if self.host.trim().is_empty() {
            return Err(EmailConfigError::Host);
        }
        self.sender()?;
        match (&self.username, &self.password, &self.password_file) {
            (None, None, None) => {}
            (Some(_), Some(_), None) | (Some(_), None, Some(_)) => match self.tls {
                EmailTls::StartTls | EmailTls::Implicit => {}
                EmailTls::None => return Err(EmailConfigError::PasswordInTheClear),
            },
            (Some(_) | None, _, _) => return Err(EmailConfigError::Credentials),
        }
        if !(0.1..=60.0).contains(&self.timeout_s) || !(1..=100).contains(&self.max_attempts) {
            return Err(EmailConfigError::Limits);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(more: &str) -> Result<EmailConfig, EmailConfigError> {
        let text = format!("host = 'smtp.example.org'\nfrom = 'Quarterdeck <qd@example.org>'\n{more}");
        let config: EmailConfig = toml::from_str(&text).unwrap();
        config.check().map(|()| config)
    }

    #[test]
    fn the_port_follows_the_protection() {
        assert_eq!(checked("").unwrap().port(), 587);
        assert_eq!(checked("tls = 'implicit'").unwrap().port(), 465);
        assert_eq!(checked("tls = 'none'").unwrap().port(), 25);
        assert_eq!(checked("tls = 'none'\nport = 2525").unwrap().port(), 2525);
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |more: &str| checked(more).unwrap_err();
        for half in [
            "username = 'a'",
            "password = 'a'",
            "password_file = '/a'",
            "username = 'a'\npassword = 'a'\npassword_file = '/a'",
        ] {
            assert_eq!(refused(half), EmailConfigError::Credentials, "{half}");
        }
        assert_eq!(
            refused("tls = 'none'\nusername = 'a'\npassword = 'a'"),
            EmailConfigError::PasswordInTheClear
        );
        assert_eq!(refused("timeout_s = 0"), EmailConfigError::Limits);
        let nobody: EmailConfig = toml::from_str("host = 'h'\nfrom = 'nobody'").unwrap();
        assert_eq!(nobody.check(), Err(EmailConfigError::From));
    }

    #[test]
    fn the_password_is_not_printed() {
        let config = checked("username = 'a'\npassword = 'hunter2'").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
