//! How to reach a source over HTTP: `[prometheus]` and `[alertmanager]`.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Address, credentials and limits of one HTTP source.
///
/// Any PromQL-compatible engine can stand behind `[prometheus]`: Prometheus, Thanos, Mimir, VictoriaMetrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSourceConfig {
    /// Base address with the path prefix, without `/api/v1`: `https://mimir.example/prometheus`. Holds no
    /// credentials: those have settings of their own, which never reach a log.
    pub url: Url,
    /// Sent as `Authorization: Bearer …`.
    #[serde(default)]
    pub bearer_token: Option<SecretString>,
    /// File that holds the bearer token. Read again for each request, because tokens of that kind rotate.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// Sent as `Authorization: Basic …`.
    #[serde(default)]
    pub basic_auth: Option<BasicAuth>,
    /// PEM file with the certificate authorities that are trusted instead of the system's.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// Tenant, sent as `X-Scope-OrgID` (Mimir, Cortex, Loki).
    #[serde(default)]
    pub tenant: Option<String>,
    /// Further headers. Values count as secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// Longest time that one request may take, answer included; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// Largest answer that is read, after decompression; bytes.
    #[serde(default = "default_max_response_bytes")]
    pub max_response_bytes: usize,
}

/// A user and a password.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// User.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

const fn default_timeout_s() -> f64 {
    4.0
}

const fn default_max_response_bytes() -> usize {
    16 * 1024 * 1024
}

impl HttpSourceConfig {
    /// A source at this address, without credentials and with the default limits.
    #[must_use]
    pub const fn at(url: Url) -> Self {
        Self {
            url,
            bearer_token: None,
            bearer_token_file: None,
            basic_auth: None,
            tls_ca_file: None,
            tenant: None,
            headers: BTreeMap::new(),
            timeout_s: default_timeout_s(),
            max_response_bytes: default_max_response_bytes(),
        }
    }

    /// Longest time that one request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(4))
    }

    /// Finds contradictions. `section` is the name of the section in the configuration, for the message.
    ///
    /// # Errors
    /// [`HttpSourceConfigError`], the first that is found.
    pub fn check(&self, section: &str) -> Result<(), HttpSourceConfigError> {
        let wrong = |field: &'static str, problem: Problem| {
            Err(HttpSourceConfigError {
                section: section.to_owned(),
                field,
                problem,
            })
        };
        if !matches!(self.url.scheme(), "http" | "https") || self.url.cannot_be_a_base() {
            return wrong("url", Problem::NotHttp);
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return wrong("url", Problem::CredentialsInUrl);
        }
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("url", Problem::QueryInUrl);
        }
        let ways = [
            self.bearer_token.is_some(),
            self.bearer_token_file.is_some(),
            self.basic_auth.is_some(),
        ];
        if ways.into_iter().filter(|given| *given).count() > 1 {
            return wrong("bearer_token", Problem::TwoCredentials);
        }
        let timeout_fits = self.timeout_s.is_finite() && (0.05..=300.0).contains(&self.timeout_s);
        if !timeout_fits {
            return wrong("timeout_s", Problem::Timeout);
        }
        if self.max_response_bytes < 4096 {
            return wrong("max_response_bytes", Problem::ResponseLimit);
        }
        Ok(())
    }

    /// Where the certificate authorities are, if they are not the system's.
    #[must_use]
    pub fn tls_ca_file(&self) -> Option<&Path> {
        self.tls_ca_file.as_deref()
    }
}

/// A setting of an HTTP source that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {field}: {problem}")]
pub struct HttpSourceConfigError {
    section: String,
    field: &'static str,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    NotHttp,
    CredentialsInUrl,
    QueryInUrl,
    TwoCredentials,
    Timeout,
    ResponseLimit,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "this is not an http:// or https:// address; write one, with its path prefix",
            Self::CredentialsInUrl => {
                "credentials in an address end up in logs; move them to basic_auth = { username, password }"
            }
            Self::QueryInUrl => {
                "an address with ? or # cannot be a base; write it up to the path prefix only"
            }
            Self::TwoCredentials => {
                "only one of bearer_token, bearer_token_file and basic_auth can be sent; remove the others"
            }
            Self::Timeout => "must lie between 0.05 and 300 seconds",
            Self::ResponseLimit => "must be at least 4096 bytes, or no answer would fit",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HttpSourceConfig, toml::de::Error> {
        toml::from_str(text)
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap().check("prometheus").unwrap_err().to_string()
    }

    #[test]
    fn a_full_section_is_read_and_no_secret_is_printed() {
        let config = parse(
            r#"
            url = "https://mimir.example/prometheus"
            basic_auth = { username = "console", password = "hunter2" }
            tls_ca_file = "/etc/ca.pem"
            tenant = "skillquest"
            headers = { X-Api-Key = "k3y-value" }
            timeout_s = 2.5
            max_response_bytes = 1000000
            "#,
        )
        .unwrap();
        config.check("prometheus").unwrap();
        assert_eq!(config.timeout(), Duration::from_millis(2500));
        let printed = format!("{config:?}");
        assert!(
            !printed.contains("hunter2") && !printed.contains("k3y-value"),
            "{printed}"
        );
        assert!(printed.contains("mimir.example"));
    }

    #[test]
    fn an_address_alone_is_enough() {
        let config = parse("url = 'http://127.0.0.1:9090'").unwrap();
        config.check("prometheus").unwrap();
        assert_eq!(config.timeout(), Duration::from_secs(4));
    }

    #[test]
    fn contradictions_are_named() {
        assert!(refused("url = 'ftp://host'").starts_with("[prometheus] url: this is not an http"));
        assert!(refused("url = 'http://u:p@host'").contains("credentials"));
        assert!(refused("url = 'http://host/?a=1'").contains("cannot be a base"));
        assert!(refused("url='http://h'\nbearer_token='a'\nbearer_token_file='/b'").contains("only one of"));
        assert!(refused("url='http://h'\ntimeout_s=0").contains("between 0.05 and 300"));
        assert!(refused("url='http://h'\nmax_response_bytes=1").contains("4096"));
        assert!(
            parse("url='http://h'\ntoken='a'")
                .unwrap_err()
                .message()
                .contains("unknown field `token`")
        );
    }
}
