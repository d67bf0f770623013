//! Switches maintenance mode by an environment variable of a Kubernetes deployment, and waits for the rollout.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Container};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use quarterdeck_domain::maintenance::Mode;
use serde_json::json;
use tokio::time::Instant;

use super::{Driver, Order, Place, SwitchError, Work, line};
use crate::{
    clients::kubernetes::{Failure, KubernetesApi, MANAGER, bounded},
    config::maintenance::KubernetesSwitchConfig,
};

/// Time between two looks at a rollout.
const LOOK: Duration = Duration::from_secs(1);
/// What the role must be allowed.
const NEEDS: &str = "get and patch on the deployment";

/// A deployment and its variable.
#[derive(Debug)]
pub(super) struct KubernetesSwitch {
    api: KubernetesApi,
    config: KubernetesSwitchConfig,
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
            api: KubernetesApi::new(config.kubeconfig.clone(), config.context.clone()),
            config,
        }
    }

    async fn deployments(&self) -> Result<Api<Deployment>, Failure> {
        Ok(Api::namespaced(self.api.client().await?, &self.config.namespace))
    }

    async fn get(&self) -> Result<Deployment, Failure> {
        let api = self.deployments().await?;
        bounded(NEEDS, api.get(&self.config.deployment)).await
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
        bounded(
            NEEDS,
            api.patch(&self.config.deployment, &params, &Patch::Strategic(patch)),
        )
        .await
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
