//! One HTTP source: its address, its credentials, and the limits within which it is asked.

use std::{error::Error as _, path::PathBuf, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use super::install_tls_provider;
use crate::{config::http_source::HttpSourceConfig, telemetry::trace};

/// Why a source gave no answer that can be used. No text holds an address or a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, or it broke off.
    #[error("it cannot be reached: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// No complete answer within the limit.
    #[error("it did not answer within {} ms", limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// An answer with another status than was hoped for.
    #[error("it answered with status {status}{hint}: {message}", hint = status_hint(*status))]
    HttpStatus {
        /// The status.
        status: u16,
        /// The beginning of what it said.
        message: String,
    },
    /// It understood the question and refuses it.
    #[error("it refuses the query: {message}")]
    BadQuery {
        /// What it said.
        message: String,
    },
    /// An answer that is not what the interface promises.
    #[error("its answer cannot be understood: {message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
    },
    /// An answer beyond the limit; what came is thrown away.
    #[error("its answer is larger than {limit} bytes; ask for less, or raise max_response_bytes")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// The token file cannot be read, so nothing was asked.
    #[error("bearer_token_file cannot be read: {reason}")]
    Token {
        /// What the operating system said.
        reason: String,
    },
}

/// What a status usually means here.
const fn status_hint(status: u16) -> &'static str {
    match status {
        300..=399 => " (a redirect, which is not followed: correct the url)",
        401 | 403 => " (check its credentials)",
        404 => " (check the url and its path prefix)",
        429 => " (it is asked too often)",
        _ => "",
    }
}

/// A source that cannot even be asked because of its settings.
#[derive(Debug, thiserror::Error)]
pub enum HttpSourceSetupError {
    /// A header name or value that cannot be sent.
    #[error("the header {name:?} cannot be sent: names are letters, digits and hyphens, values one line")]
    Header {
        /// Its name.
        name: String,
    },
    /// A file with certificate authorities that cannot be read or holds none.
    #[error("tls_ca_file {} holds no certificate authority that can be used: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The HTTP client itself.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// How a source wants to know who asks.
#[derive(Debug, Clone)]
enum Credential {
    None,
    Header(HeaderValue),
    BearerFile(PathBuf),
}

/// An answer, complete and within the limits.
#[derive(Debug)]
pub(super) struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// A source that can be asked. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct HttpSource {
    client: reqwest::Client,
    base: Url,
    credential: Credential,
    timeout: Duration,
    max_response_bytes: usize,
}

impl HttpSource {
    /// Prepares everything but a connection.
    pub fn new(config: &HttpSourceConfig) -> Result<Self, HttpSourceSetupError> {
        install_tls_provider();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(tenant) = &config.tenant {
            headers.insert("x-scope-orgid", header_value("X-Scope-OrgID", tenant)?);
        }
        for (name, value) in &config.headers {
            let header = HeaderName::try_from(name.as_str())
                .map_err(|_| HttpSourceSetupError::Header { name: name.clone() })?;
            headers.insert(header, header_value(name, value.expose_secret())?);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("quarterdeck/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // A redirect would carry the credentials to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            // What watches must not depend on a proxy that happens to be in the environment.
            .no_proxy()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(8)
            .connect_timeout(config.timeout())
            .timeout(config.timeout());
        if let Some(path) = config.tls_ca_file() {
            builder = builder.tls_certs_only(authorities(path)?);
        } else if config.url.scheme() == "http" {
            // The system's authorities are not needed, cost memory, and may not be there.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build().map_err(HttpSourceSetupError::Client)?,
            base: config.url.clone(),
            credential: credential(config)?,
            timeout: config.timeout(),
            max_response_bytes: config.max_response_bytes,
        })
    }

    /// The longest time that a request may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// `GET path`, with `query` in the address.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, SourceError> {
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.get(url)).await
    }

    /// `POST path` with a form in the body, where a query of any length fits.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer, SourceError> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self.client.post(self.address(path));
        self.send(
            request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body),
        )
        .await
    }

    /// `POST path` with JSON in the body.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Result<Answer, SourceError> {
        self.send(self.client.post(self.address(path)).json(body)).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Result<Answer, SourceError> {
        self.send(self.client.delete(self.address(path))).await
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, SourceError> {
        let request = match &self.credential {
            Credential::None => request,
            Credential::Header(value) => request.header(AUTHORIZATION, value.clone()),
            Credential::BearerFile(path) => {
                let token = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| SourceError::Token {
                        reason: error.to_string(),
                    })?;
                let value = bearer(token.trim()).map_err(|_| SourceError::Token {
                    reason: "it holds no token on one line".to_owned(),
                })?;
                request.header(AUTHORIZATION, value)
            }
        };
        let request = match trace::current() {
            Some(context) => request.header("traceparent", context.traceparent()),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| self.failure(error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            if body.len() + chunk.len() > self.max_response_bytes {
                return Err(SourceError::TooLarge {
                    limit: self.max_response_bytes,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }

    fn failure(&self, error: reqwest::Error) -> SourceError {
        if error.is_timeout() {
            return SourceError::Timeout { limit: self.timeout };
        }
        // The outer layers only say "error sending request"; the innermost says what happened.
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            reason = inner.to_string();
            source = inner.source();
        }
        SourceError::Unreachable { reason }
    }
}

impl Answer {
    /// An answer that is not the one hoped for, with the beginning of its text.
    pub fn into_status_error(self) -> SourceError {
        SourceError::HttpStatus {
            status: self.status.as_u16(),
            message: excerpt(&self.body),
        }
    }
}

/// The first line or so of a body, printable.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    match text.trim() {
        "" => "(no text)".to_owned(),
        text => text.to_owned(),
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, HttpSourceSetupError> {
    let mut header = HeaderValue::from_str(value).map_err(|_| HttpSourceSetupError::Header {
        name: name.to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn bearer(token: &str) -> Result<HeaderValue, HttpSourceSetupError> {
    let value = SecretString::from(format!("Bearer {token}"));
    if token.is_empty() {
        return Err(HttpSourceSetupError::Header {
            name: AUTHORIZATION.to_string(),
        });
    }
    header_value(AUTHORIZATION.as_str(), value.expose_secret())
}

fn credential(config: &HttpSourceConfig) -> Result<Credential, HttpSourceSetupError> {
    if let Some(token) = &config.bearer_token {
        return bearer(token.expose_secret()).map(Credential::Header);
    }
    if let Some(path) = &config.bearer_token_file {
        return Ok(Credential::BearerFile(path.clone()));
    }
    let Some(basic) = &config.basic_auth else {
        return Ok(Credential::None);
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pair = SecretString::from(format!("{}:{}", basic.username, basic.password.expose_secret()));
    let value = SecretString::from(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
    header_value(AUTHORIZATION.as_str(), value.expose_secret()).map(Credential::Header)
}

fn authorities(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, HttpSourceSetupError> {
    let wrong = |reason: String| HttpSourceSetupError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("it has no CERTIFICATE block; it must be PEM".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> HttpSource {
        HttpSource::new(&HttpSourceConfig::at(url.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_path_prefix_is_kept() {
        let with = |base| source(base).address("/api/v1/query").to_string();
        assert_eq!(with("http://h:9090"), "http://h:9090/api/v1/query");
        assert_eq!(with("http://h:9090/"), "http://h:9090/api/v1/query");
        assert_eq!(with("https://h/prom/"), "https://h/prom/api/v1/query");
        assert_eq!(with("https://h/a/b"), "https://h/a/b/api/v1/query");
    }

    #[test]
    fn credentials_are_sent_and_never_printed() {
        let mut config = HttpSourceConfig::at("http://h".parse().unwrap());
        config.bearer_token = Some("hunter2".to_owned().into());
        config.headers.insert("X-Key".into(), "hunter2".to_owned().into());
        let source = HttpSource::new(&config).unwrap();
        let Credential::Header(value) = &source.credential else {
            panic!("no header")
        };
        assert_eq!(value.to_str().unwrap(), "Bearer hunter2");
        assert!(!format!("{source:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let mut config = HttpSourceConfig::at("http://h".parse().unwrap());
        config.tenant = Some("two\nlines".into());
        assert!(
            HttpSource::new(&config)
                .unwrap_err()
                .to_string()
                .contains("X-Scope-OrgID")
        );
        let mut config = HttpSourceConfig::at("https://h".parse().unwrap());
        config.tls_ca_file = Some("/nonexistent/ca.pem".into());
        assert!(
            HttpSource::new(&config)
                .unwrap_err()
                .to_string()
                .contains("/nonexistent/ca.pem")
        );
    }

    #[test]
    fn an_excerpt_is_one_printable_line() {
        assert_eq!(excerpt(b"<html>\n<b>no"), "<html> <b>no");
        assert_eq!(excerpt(b" \n"), "(no text)");
        assert!(excerpt(&[0xff; 5000]).chars().count() <= 200);
    }
}
