//! Sends clients through a Service of Kubernetes without a selector, by its Endpoints.

use std::time::Duration;

use k8s_openapi::api::core::v1::Endpoints as EndpointsObject;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use quarterdeck_domain::failover::{Holding, Routed, Routes};
use serde_json::json;

use super::{ClientRouting, Work, not_cut, not_held};
use crate::{
    clients::kubernetes::{KubernetesApi, MANAGER, bounded},
    config::failover::KubernetesEndpointsConfig,
};

/// What the role must be allowed.
const NEEDS: &str = "get and patch on the endpoints";

/// The Endpoints of one Service.
#[derive(Debug)]
pub(super) struct Endpoints {
    api: KubernetesApi,
    namespace: String,
    service: String,
}

impl Endpoints {
    pub fn new(config: &KubernetesEndpointsConfig) -> Self {
        Self {
            api: KubernetesApi::new(config.kubeconfig.clone(), config.context.clone()),
            namespace: config.namespace.clone(),
            service: config.service.clone(),
        }
    }

    async fn endpoints(&self) -> Result<Api<EndpointsObject>, String> {
        let client = self.api.client().await.map_err(|failure| failure.text)?;
        Ok(Api::namespaced(client, &self.namespace))
    }

    fn routes(&self, endpoints: &EndpointsObject) -> Routes {
        let mut to = Vec::new();
        for subset in endpoints.subsets.iter().flatten() {
            for address in subset.addresses.iter().flatten() {
                for port in subset.ports.iter().flatten() {
                    to.push(Routed {
                        name: self.service.clone(),
                        host: address.ip.clone(),
                        port: port.port.try_into().unwrap_or(0),
                    });
                }
            }
        }
        Routes {
            to,
            held: false,
            holding: Holding::Impossible,
        }
    }
}

impl ClientRouting for Endpoints {
    fn describe(&self) -> String {
        format!("the Kubernetes Service {}/{}", self.namespace, self.service)
    }

    fn holds(&self) -> bool {
        false
    }

    fn read(&self) -> Work<'_, Result<Routes, String>> {
        Box::pin(async move {
            let api = self.endpoints().await?;
            let endpoints = bounded(NEEDS, api.get(&self.service))
                .await
                .map_err(|failure| failure.text)?;
            Ok(self.routes(&endpoints))
        })
    }

    fn hold(&self, _: Duration) -> Work<'_, Result<String, String>> {
        Box::pin(async { Ok(not_held("A Service of Kubernetes")) })
    }

    fn cut(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async { Ok(not_cut("A Service of Kubernetes")) })
    }

    fn point_to<'a>(&'a self, host: &'a str, port: u16) -> Work<'a, Result<String, String>> {
        Box::pin(async move {
            if host.parse::<std::net::IpAddr>().is_err() {
                return Err(format!(
                    "endpoints take addresses, and {host:?} is a name: give the node's client_address as one"
                ));
            }
            let api = self.endpoints().await?;
            let present = bounded(NEEDS, api.get(&self.service))
                .await
                .map_err(|failure| failure.text)?;
            // The port's name stays: the Service finds it by that.
            let name = present
                .subsets
                .iter()
                .flatten()
                .flat_map(|subset| subset.ports.iter().flatten())
                .find_map(|port| port.name.clone());
            let mut entry = json!({ "port": port, "protocol": "TCP" });
            if let (Some(name), Some(entry)) = (name, entry.as_object_mut()) {
                entry.insert("name".to_owned(), json!(name));
            }
            let patch = json!({ "subsets": [{ "addresses": [{ "ip": host }], "ports": [entry] }] });
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let patched = bounded(NEEDS, api.patch(&self.service, &params, &Patch::Merge(patch)))
                .await
                .map_err(|failure| failure.text)?;
            match self.routes(&patched).to.as_slice() {
                [one] if (one.host.as_str(), one.port) == (host, port) => {
                    Ok(format!("{} leads to {host}:{port}.", self.describe()))
                }
                _ => Err(format!(
                    "{} was patched, and does not lead to {host}:{port} alone",
                    self.describe()
                )),
            }
        })
    }

    fn release(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async { Ok("Clients were not held back.".to_owned()) })
    }
}
