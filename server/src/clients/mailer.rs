//! Sends e-mail by SMTP.

use std::{path::PathBuf, time::Duration};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        AsyncSmtpTransportBuilder,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use secrecy::{ExposeSecret, SecretString};

use super::install_tls_provider;
use crate::config::email::{EmailConfig, EmailConfigError, EmailTls};

/// Settings that no message could be sent with.
#[derive(Debug, thiserror::Error)]
pub enum MailerSetupError {
    /// A contradiction.
    #[error(transparent)]
    Config(#[from] EmailConfigError),
    /// A file with certificate authorities that cannot be read or holds none.
    #[error("tls_ca_file {} holds no certificate authority that can be used: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Encryption can't be set up.
    #[error("encryption can't be set up: {0}")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Why a message was not taken. No text holds the password.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// Whom it is for can't be written to.
    #[error("{0:?} is no e-mail address")]
    Address(String),
    /// It can't be put into the form of an e-mail.
    #[error("the message has no form that can be sent: {0}")]
    Form(#[from] lettre::error::Error),
    /// The file with the password can't be read.
    #[error("password_file cannot be read: {0}")]
    Password(#[source] std::io::Error),
    /// The server refused, or could not be talked to.
    #[error("the SMTP server did not take it: {0}")]
    Server(#[source] lettre::transport::smtp::Error),
    /// The server took too long.
    #[error("the SMTP server was not through within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
}

/// A message to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email<'a> {
    /// Their address.
    pub to: &'a str,
    /// What it is about, on one line.
    pub subject: &'a str,
    /// The text.
    pub text: String,
    /// Names the message, without brackets and domain: a message that comes twice has the same name.
    pub id: String,
    /// Names what several messages belong to, so that mail programs show them together.
    pub thread: Option<String>,
    /// Whether mail programs should mark it.
    pub urgent: bool,
}

/// The server that takes messages, and who they are from.
#[derive(Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransportBuilder,
    from: Mailbox,
    /// Who signs in, and with what.
    account: Option<(String, Password)>,
    timeout: Duration,
}

#[derive(Debug)]
enum Password {
    Given(SecretString),
    File(PathBuf),
}

impl Mailer {
    /// Prepares to send; nothing is asked yet.
    ///
    /// # Errors
    /// [`MailerSetupError`].
    pub fn new(config: &EmailConfig) -> Result<Self, MailerSetupError> {
        install_tls_provider();
        let tls = match config.tls {
            EmailTls::None => Tls::None,
            EmailTls::StartTls => Tls::Required(tls_parameters(config)?),
            EmailTls::Implicit => Tls::Wrapper(tls_parameters(config)?),
        };
        let password = match (&config.password, &config.password_file) {
            (Some(password), _) => Some(Password::Given(password.clone())),
            (None, Some(file)) => Some(Password::File(file.clone())),
            (None, None) => None,
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.as_str())
            .port(config.port())
            .tls(tls)
            .timeout(Some(config.timeout()));
        Ok(Self {
            transport,
            from: config.sender()?,
            account: config.username.clone().zip(password),
            timeout: config.timeout(),
        })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`MailerError`]; the server may have taken it all the same.
    pub async fn send(&self, email: &Email<'_>) -> Result<(), MailerError> {
        let message = self.message(email)?;
        let transport = self.transport().await?;
        self.within(transport.send(message)).await?;
        Ok(())
    }

    /// Whether the server can be talked to, and lets the console sign in. Nothing is sent.
    ///
    /// # Errors
    /// [`MailerError`].
    pub async fn ready(&self) -> Result<bool, MailerError> {
        let transport = self.transport().await?;
        self.within(transport.test_connection()).await
    }

    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailerError> {
        let builder = self.transport.clone();
        let Some((username, password)) = &self.account else {
            return Ok(builder.build());
        };
        let password = match password {
            Password::Given(password) => password.clone(),
            Password::File(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(MailerError::Password)?;
                SecretString::from(text.trim_end_matches(['\r', '\n']))
            }
        };
        let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
        Ok(builder.credentials(credentials).build())
    }

    /// The transport's own limit holds for connecting alone.
    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailerError> {
        tokio::time::timeout(self.timeout, work)
            .await
            .map_err(|_| MailerError::TooSlow(self.timeout))?
            .map_err(MailerError::Server)
    }

    fn message(&self, email: &Email<'_>) -> Result<Message, MailerError> {
        let to: Address = email
            .to
            .parse()
            .map_err(|_| MailerError::Address(email.to.to_owned()))?;
        let domain = self.from.email.domain();
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(email.subject)
            .message_id(Some(format!("<{}@{domain}>", email.id)))
            // Keeps "out of office" from answering.
            .raw_header(raw(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated",
            ));
        if let Some(thread) = &email.thread {
            message = message.references(format!("<{thread}@{domain}>"));
        }
        if email.urgent {
            message = message.raw_header(raw(HeaderName::new_from_ascii_str("Importance"), "high"));
        }
        Ok(message.header(ContentType::TEXT_PLAIN).body(email.text.clone())?)
    }
}

fn raw(name: HeaderName, value: &str) -> HeaderValue {
    HeaderValue::new(name, value.to_owned())
}

fn tls_parameters(config: &EmailConfig) -> Result<TlsParameters, MailerSetupError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.tls_ca_file {
        let wrong = |reason: String| MailerSetupError::CaFile {
            path: path.clone(),
            reason,
        };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let authorities = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authorities);
    }
    builder.build().map_err(MailerSetupError::Tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        let config = "host = 'localhost'\ntls = 'none'\nfrom = 'Quarterdeck <qd@example.org>'";
        Mailer::new(&toml::from_str(config).unwrap()).unwrap()
    }

    #[test]
    fn what_people_write_stays_in_its_header() {
        let email = Email {
            to: "april@example.org",
            subject: "Approval wanted: ü\r\nBcc: everybody@example.org",
            text: "Hello".into(),
            id: "7".into(),
            thread: Some("action-1".into()),
            urgent: true,
        };
        let sent = String::from_utf8(mailer().message(&email).unwrap().formatted()).unwrap();
        let (headers, _) = sent.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
        for line in [
            "To: april@example.org",
            "Message-ID: <7@example.org>",
            "References: <action-1@example.org>",
            "Importance: high",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(headers.lines().any(|found| found == line), "{line}: {headers}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let email = Email {
            to: "april@example.org, everybody@example.org",
            subject: "x",
            text: String::new(),
            id: "7".into(),
            thread: None,
            urgent: false,
        };
        assert!(matches!(mailer().message(&email), Err(MailerError::Address(_))));
    }
}
