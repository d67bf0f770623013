//! The section `[server]`: where the console listens, and what browsers call it.

use std::net::SocketAddr;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Address and manners of the HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address that browsers use. With `https` cookies are marked secure and HSTS is sent.
    pub public_url: Url,
    /// How long open requests may go on after a stop was asked for, in seconds.
    pub drain_s: u64,
    /// Bearer token that `/metrics` asks for; open without one.
    pub metrics_token: Option<SecretString>,
    /// Address of Grafana, for the links to dashboards.
    pub grafana_url: Option<Url>,
    /// Address under which runbooks are found when a profile names them by a relative path.
    pub runbook_url: Option<Url>,
    /// Says on the sign-in page where the demo's accounts are printed. For the demo alone.
    pub demo: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            #[expect(clippy::expect_used, reason = "a constant")]
            public_url: Url::parse("http://127.0.0.1:3000").expect("a constant address"),
            drain_s: 10,
            metrics_token: None,
            grafana_url: None,
            runbook_url: None,
            demo: false,
        }
    }
}

impl ServerConfig {
    /// Whether browsers reach the console over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}
