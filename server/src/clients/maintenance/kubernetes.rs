//! Switches maintenance mode by an environment variable of a Kubernetes deployment, and waits for the rollout.

use std::{fmt, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Container};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use quarterdeck_domain::maintenance::Mode;
use serde_json::json;
use tokio::{sync::OnceCell, time::Instant};

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::{clients::install_tls_provider, config::maintenance::KubernetesSwitchConfig};

/// Longest time for one request.
const REQUEST: Duration = Duration::from_secs(10);
/// Time between two looks at a rollout.
const LOOK: Duration = Duration::from_secs(1);
/// Who the API server is told has set the variable.
const MANAGER: &str = "quarterdeck";

/// A deployment and its variable.
pub(super) struct KubernetesSwitch {
    config: KubernetesSwitchConfig,
    /// Made at the first use: credentials are read then, and not when the console starts.
    client: OnceCell<Client>,
}

impl fmt::Debug for KubernetesSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesSwitch")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why the API server gave nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    /// Whether it answered, and refused.
    refused: bool,
    text: String,
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rollout {
    /// Not through; what is waited for.
    Waiting(String),
    /// All pods are new and available.
    Through(String),
    /// It does not get on.
    Stuck(String),
}

impl KubernetesSwitch {
    pub fn new(config: KubernetesSwitchConfig) -> Self {
        Self {
            config,
            client: OnceCell::new(),
        }
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let refused = |text: String| Failure { refused: true, text };
        install_tls_provider();
        let options = KubeConfigOptions {
            context: self.config.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.config.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| refused(chain(&error)))?;
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| refused(chain(&error)))
            }
            None if self.config.context.is_some() => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| refused(chain(&error))),
            None => Config::infer().await.map_err(|error| refused(chain(&error))),
        };
        let mut config = config?;
        config.connect_timeout = Some(REQUEST);
        config.read_timeout = Some(REQUEST);
        config.reset_reader_on_write = true;
        // A request that may have changed something is not sent again by itself.
        config.default_retry = false;
        Client::try_from(config).map_err(|error| refused(chain(&error)))
    }

    async fn deployments(&self) -> Result<Api<Deployment>, Failure> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        Ok(Api::namespaced(client.clone(), &self.config.namespace))
    }

    async fn get(&self) -> Result<Deployment, Failure> {
        let api = self.deployments().await?;
        bounded(api.get(&self.config.deployment)).await
    }

    /// The container that has the variable.
    fn container<'a>(&self, deployment: &'a Deployment) -> Result<&'a Container, String> {
        let pod = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.template.spec.as_ref());
        let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
        match &self.config.container {
            None => containers.first().ok_or_else(|| "it has no container".to_owned()),
            Some(name) => containers
                .iter()
                .find(|container| container.name == *name)
                .ok_or_else(|| format!("it has no container {name:?}")),
        }
    }

    fn mode(&self, deployment: &Deployment) -> (Mode, String) {
        let variable = &self.config.variable;
        let container = match self.container(deployment) {
            Ok(container) => container,
            Err(reason) => return (Mode::Unknown, reason),
        };
        let Some(entry) = container
            .env
            .iter()
            .flatten()
            .find(|entry| entry.name == *variable)
        else {
            // Whoever has never switched it on need not have it.
            return (Mode::Off, format!("{variable} is not set"));
        };
        match &entry.value {
            None if entry.value_from.is_some() => (
                Mode::Unknown,
                format!("{variable} comes from elsewhere (valueFrom), where it can't be set from here"),
            ),
            None => (Mode::Off, format!("{variable} is empty")),
            Some(value) => {
                let mode = if *value == self.config.on {
                    Mode::On
                } else if *value == self.config.off || value.is_empty() {
                    Mode::Off
                } else {
                    Mode::Unknown
                };
                (mode, format!("{variable}={}", line(value)))
            }
        }
    }

    async fn patch(&self, on: bool) -> Result<Deployment, Failure> {
        let refused = |text| Failure { refused: true, text };
        let present = self.get().await?;
        let container = self.container(&present).map_err(refused)?;
        let value = if on { &self.config.on } else { &self.config.off };
        // Lists of containers and variables are merged by name: nothing else of the deployment is touched.
        let patch = json!({ "spec": { "template": { "spec": { "containers": [
            { "name": container.name, "env": [{ "name": self.config.variable, "value": value }] }
        ] } } } });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.deployments().await?;
        bounded(api.patch(&self.config.deployment, &params, &Patch::Strategic(patch))).await
    }

    async fn roll_out(&self, generation: i64) -> Result<String, SwitchError> {
        let begun = Instant::now();
        let limit = Duration::from_secs(self.config.rollout_s);
        loop {
            let seen = match self.get().await {
                Ok(deployment) => rollout(&deployment, generation),
                Err(failure) => Rollout::Waiting(failure.text),
            };
            match seen {
                Rollout::Through(figures) => return Ok(figures),
                Rollout::Stuck(reason) => {
                    return Err(SwitchError::Refused(format!(
                        "The variable is set, but the rollout does not get on: {reason}."
                    )));
                }
                Rollout::Waiting(figures) if begun.elapsed() >= limit => {
                    return Err(SwitchError::Unknown(format!(
                        "The variable is set, and the rollout was not through after {} s: {figures}. It may still come about.",
                        limit.as_secs()
                    )));
                }
                Rollout::Waiting(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Judges a rollout as `kubectl rollout status` does.
fn rollout(deployment: &Deployment, generation: i64) -> Rollout {
    let status = deployment.status.clone().unwrap_or_default();
    let observed = status.observed_generation.unwrap_or(0);
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let (all, updated, available) = (
        status.replicas.unwrap_or(0),
        status.updated_replicas.unwrap_or(0),
        status.available_replicas.unwrap_or(0),
    );
    if observed < generation {
        return Rollout::Waiting(format!(
            "generation {generation} is not observed yet, {observed} is"
        ));
    }
    let figures = format!(
        "generation {observed} observed, {updated} of {wanted} pods updated, {available} available, {} old ones left",
        all - updated
    );
    let overdue = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    if let Some(condition) = overdue {
        let message = condition.message.as_deref().unwrap_or("its deadline is over");
        return Rollout::Stuck(format!("{}; {figures}", line(message)));
    }
    if updated < wanted || all > updated || available < updated {
        Rollout::Waiting(figures)
    } else {
        Rollout::Through(figures)
    }
}

/// An error with what caused it, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    line(&text)
}

async fn bounded<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            let hint = match status.code {
                401 | 403 => " (check the credentials and their role: get and patch on the deployment)",
                404 => " (check the namespace and the name)",
                _ => "",
            };
            Err(Failure {
                refused: status.code < 500,
                text: format!(
                    "the API server answered {}{hint}: {}",
                    status.code,
                    line(&status.message)
                ),
            })
        }
        Ok(Err(error)) => Err(Failure {
            refused: false,
            text: format!("the API server can't be asked: {}", chain(&error)),
        }),
        Err(_) => Err(Failure {
            refused: false,
            text: format!("the API server did not answer within {} s", REQUEST.as_secs()),
        }),
    }
}

impl Driver for KubernetesSwitch {
    fn describe(&self) -> String {
        format!(
            "the variable {} of the Kubernetes deployment {}/{}",
            self.config.variable, self.config.namespace, self.config.deployment
        )
    }

    fn expected_s(&self) -> u32 {
        90
    }

    fn read(&self) -> Work<'_, Vec<Place>> {
        Box::pin(async move {
            let (mode, value) = match self.get().await {
                Ok(deployment) => self.mode(&deployment),
                Err(failure) => (Mode::Unknown, failure.text),
            };
            let name = format!("{}/{}", self.config.namespace, self.config.deployment);
            vec![Place {
                id: format!("deployment {name}"),
                title: format!("the deployment {name}"),
                mode,
                value,
            }]
        })
    }

    fn switch<'a>(&'a self, order: Order<'a>) -> Work<'a, Result<String, SwitchError>> {
        Box::pin(async move {
            let patched = match self.patch(order.on).await {
                Ok(patched) => patched,
                Err(failure) if failure.refused => {
                    return Err(SwitchError::Refused(format!(
                        "The deployment was not changed: {}.",
                        failure.text
                    )));
                }
                Err(failure) => {
                    return Err(SwitchError::Unknown(format!(
                        "Whether the deployment was changed is not known: {}.",
                        failure.text
                    )));
                }
            };
            let generation = patched.metadata.generation.unwrap_or(0);
            let figures = self.roll_out(generation).await?;
            let (_, value) = self.mode(&patched);
            Ok(format!("{value} is rolled out: {figures}."))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "generation": 5 },
            "spec": { "replicas": 3, "selector": {}, "template": { "spec": { "containers": [] } } },
            "status": status,
        }))
        .unwrap()
    }

    fn judged(status: serde_json::Value) -> Rollout {
        rollout(&deployment(status), 5)
    }

    #[test]
    fn a_rollout_is_through_when_every_pod_is_new_and_available() {
        let status = |observed, replicas, updated, available| json!({ "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available });
        // The figures are those of the generation before.
        assert!(
            matches!(judged(status(4, 3, 3, 3)), Rollout::Waiting(text) if text.contains("not observed"))
        );
        assert!(matches!(judged(status(5, 4, 1, 3)), Rollout::Waiting(_)));
        assert!(
            matches!(judged(status(5, 4, 3, 3)), Rollout::Waiting(text) if text.contains("1 old ones left"))
        );
        assert!(matches!(judged(status(5, 3, 3, 2)), Rollout::Waiting(_)));
        assert!(matches!(judged(status(5, 3, 3, 3)), Rollout::Through(_)));
        assert!(matches!(judged(status(6, 3, 3, 3)), Rollout::Through(_)));
        let overdue = json!({ "observedGeneration": 5, "replicas": 4, "updatedReplicas": 1, "conditions": [
            { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "image can't be pulled" }
        ] });
        assert!(matches!(judged(overdue), Rollout::Stuck(text) if text.contains("image can't be pulled")));
    }
}
