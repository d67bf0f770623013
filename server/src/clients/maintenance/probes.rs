//! Looks from outside: asks what a user would ask, and says what came back.

use std::{error::Error as _, time::Duration};

use quarterdeck_domain::maintenance::Sight;

use crate::{
    clients::install_tls_provider,
    config::maintenance::{MaintenanceConfig, ProbeConfig},
};

/// The probes of the configuration.
#[derive(Debug)]
pub struct Probes {
    client: reqwest::Client,
    probes: Vec<ProbeConfig>,
    timeout: Duration,
}

impl Probes {
    /// Prepares everything but connections.
    ///
    /// # Errors
    /// When the HTTP client can't be set up.
    pub fn new(config: &MaintenanceConfig) -> Result<Self, reqwest::Error> {
        install_tls_provider();
        let client = reqwest::Client::builder()
            .user_agent(concat!("quarterdeck-probe/", env!("CARGO_PKG_VERSION")))
            // Where a redirect leads says nothing of this address.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Each look is a new connection: an old one may still lead to a pod that is on its way out.
            .pool_max_idle_per_host(0)
            .timeout(config.probe_timeout())
            .build()?;
        Ok(Self {
            client,
            probes: config.probes.clone(),
            timeout: config.probe_timeout(),
        })
    }

    /// Asks all at the same time.
    pub async fn look(&self) -> Vec<Sight> {
        futures::future::join_all(self.probes.iter().map(|probe| self.ask(probe))).await
    }

    async fn ask(&self, probe: &ProbeConfig) -> Sight {
        let answer = self.client.get(probe.url.clone()).send().await;
        let (status, error) = match answer {
            Ok(answer) => (Some(answer.status().as_u16()), None),
            Err(error) if error.is_timeout() => (
                None,
                Some(format!("no answer within {} ms", self.timeout.as_millis())),
            ),
            Err(error) => {
                let error = error.without_url();
                let mut reason = error.to_string();
                let mut source = error.source();
                while let Some(inner) = source {
                    reason = inner.to_string();
                    source = inner.source();
                }
                (None, Some(reason))
            }
        };
        Sight {
            name: probe.name.clone(),
            kind: probe.kind,
            status,
            error,
            while_on: probe.expected(true),
            while_off: probe.expected(false),
        }
    }
}
