//! Maintenance mode: `[maintenance]`. How it is switched, how it is seen from outside, and what is silenced meanwhile.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use quarterdeck_domain::maintenance::{Expected, ProbeKind};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::http_source::{HttpSourceConfig, HttpSourceConfigError};

/// Everything about maintenance mode. Exactly one of `http`, `command`, `redis` and `kubernetes` is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceConfig {
    /// What is asked from outside to see whether it is on.
    pub probes: Vec<ProbeConfig>,
    /// Longest time that one probe may take; seconds.
    #[serde(default = "default_probe_timeout_s")]
    pub probe_timeout_s: f64,
    /// Time between two looks; seconds.
    #[serde(default = "default_look_every_s")]
    pub look_every_s: u64,
    /// How long the probes may take to see what was switched; seconds.
    #[serde(default = "default_verify_within_s")]
    pub verify_within_s: u64,
    /// How long before the expected end it counts as near; seconds.
    #[serde(default = "default_remind_before_s")]
    pub remind_before_s: u64,
    /// Names of the alerts that are silenced while it is on, as regular expressions over the whole name.
    #[serde(default = "default_silence_alerts")]
    pub silence_alerts: Vec<String>,
    /// Labels that a silenced alert must have besides, where one Alertmanager serves several systems.
    #[serde(default)]
    pub silence_labels: BTreeMap<String, String>,
    /// How long the silences stay after it is off, because rules look back; seconds.
    #[serde(default = "default_silence_tail_s")]
    pub silence_tail_s: u64,
    /// Switches by HTTP.
    pub http: Option<HttpSwitchConfig>,
    /// Switches by a command.
    pub command: Option<CommandSwitchConfig>,
    /// Switches by a key in Redis.
    pub redis: Option<RedisSwitchConfig>,
    /// Switches by an environment variable of a deployment.
    pub kubernetes: Option<KubernetesSwitchConfig>,
}

/// One thing that is asked from outside.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Its name.
    pub name: String,
    /// What is asked, with GET.
    pub url: Url,
    /// What a user would ask for, or the health endpoint.
    #[serde(default)]
    pub kind: ProbeKind,
    /// What it should get while the mode is on.
    pub while_on: Option<Expected>,
    /// What it should get while the mode is off.
    pub while_off: Option<Expected>,
}

impl ProbeConfig {
    /// What it should get.
    pub fn expected(&self, on: bool) -> Expected {
        let given = if on { self.while_on } else { self.while_off };
        given.unwrap_or_else(|| self.kind.expected(on))
    }
}

/// A switch that is thrown by HTTP, at one address or at several.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSwitchConfig {
    /// Where it is, each on its own: one address a process, say.
    pub urls: Vec<Url>,
    /// The JSON that is posted to switch it on. `{message}` and `{until}` in texts are replaced.
    #[serde(default = "default_on_body")]
    pub on: Value,
    /// The JSON that is posted to switch it off.
    #[serde(default = "default_off_body")]
    pub off: Value,
    /// Where the answer to GET says whether it is on: a JSON pointer to `true` or `false`. Empty if it can't be asked.
    #[serde(default = "default_state_pointer")]
    pub state_pointer: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer_token: Option<SecretString>,
    /// File that holds the bearer token.
    pub bearer_token_file: Option<PathBuf>,
    /// PEM file with the certificate authorities that are trusted instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Longest time that one request may take; seconds.
    #[serde(default = "default_request_timeout_s")]
    pub timeout_s: f64,
}

impl HttpSwitchConfig {
    /// Each address as a source.
    pub fn sources(&self) -> impl Iterator<Item = HttpSourceConfig> {
        self.urls.iter().map(|url| HttpSourceConfig {
            bearer_token: self.bearer_token.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            tls_ca_file: self.tls_ca_file.clone(),
            timeout_s: self.timeout_s,
            max_response_bytes: 64 * 1024,
            ..HttpSourceConfig::at(url.clone())
        })
    }
}

/// A switch that is thrown by running a program: docker compose, ansible, a script of one's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSwitchConfig {
    /// Program and arguments that switch it on. There is no shell.
    pub on: Vec<String>,
    /// Program and arguments that switch it off.
    pub off: Vec<String>,
    /// Program and arguments that print `on` or `off`. Empty if it can't be asked.
    #[serde(default)]
    pub status: Vec<String>,
    /// Where they run.
    #[serde(default = "default_directory")]
    pub directory: PathBuf,
    /// What is added to their environment, which holds PATH, HOME and LANG and nothing else of the console's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Longest time that one run may take; then it is ended with all that it started. Seconds.
    #[serde(default = "default_command_timeout_s")]
    pub timeout_s: u64,
}

/// A switch that is a key in Redis, which the service looks at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSwitchConfig {
    /// `redis://user:password@host:port/database`.
    pub url: SecretString,
    /// The key.
    pub key: String,
    /// Its value while the mode is on. `{message}` and `{until}` are replaced.
    #[serde(default = "default_on_text")]
    pub on: String,
    /// Its value while the mode is off; without one the key is deleted.
    pub off: Option<String>,
    /// After how long the key goes by itself, in case nobody switches it off; seconds. Without it, never.
    pub expire_s: Option<u64>,
    /// Longest time to wait for a connection, and again for an answer; seconds.
    #[serde(default = "default_request_timeout_s")]
    pub timeout_s: f64,
}

/// A switch that is an environment variable of a Kubernetes deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSwitchConfig {
    /// Namespace of the deployment.
    pub namespace: String,
    /// Name of the deployment.
    pub deployment: String,
    /// Name of the container; the first one without it.
    pub container: Option<String>,
    /// The variable.
    #[serde(default = "default_variable")]
    pub variable: String,
    /// Its value while the mode is on.
    #[serde(default = "default_on_text")]
    pub on: String,
    /// Its value while the mode is off.
    #[serde(default = "default_off_text")]
    pub off: String,
    /// The kubeconfig to use. Without it: `$KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; its current one without.
    pub context: Option<String>,
    /// How long the rollout may take; seconds.
    #[serde(default = "default_rollout_s")]
    pub rollout_s: u64,
}

const fn default_probe_timeout_s() -> f64 {
    3.0
}
const fn default_look_every_s() -> u64 {
    10
}
const fn default_verify_within_s() -> u64 {
    60
}
const fn default_remind_before_s() -> u64 {
    300
}
fn default_silence_alerts() -> Vec<String> {
    ["HighAPIErrorRate", "APIDown", "APIInstanceDown"]
        .map(str::to_owned)
        .to_vec()
}
const fn default_silence_tail_s() -> u64 {
    // HighAPIErrorRate looks at five minutes: it would fire for what was refused before the mode went off.
    330
}
fn default_on_body() -> Value {
    serde_json::json!({ "enabled": true })
}
fn default_off_body() -> Value {
    serde_json::json!({ "enabled": false })
}
fn default_state_pointer() -> String {
    "/enabled".to_owned()
}
const fn default_request_timeout_s() -> f64 {
    5.0
}
fn default_directory() -> PathBuf {
    PathBuf::from("/")
}
const fn default_command_timeout_s() -> u64 {
    120
}
fn default_on_text() -> String {
    "true".to_owned()
}
fn default_off_text() -> String {
    "false".to_owned()
}
fn default_variable() -> String {
    "MAINTENANCE_MODE".to_owned()
}
const fn default_rollout_s() -> u64 {
    240
}

/// A `[maintenance]` section that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceConfigError {
    /// None or several ways to switch.
    #[error(
        "[maintenance] needs exactly one of the tables http, command, redis and kubernetes, and {given} are given: nobody could \
         say which one counts"
    )]
    Drivers {
        /// How many.
        given: usize,
    },
    /// Nothing that a user would ask for is probed.
    #[error(
        "[maintenance] probes has none of kind \"request\": nobody could see from outside whether it works; add one"
    )]
    NoRequestProbe,
    /// Two probes of one name.
    #[error("[maintenance] probes has two named {0:?}; give each its own name")]
    TwoOfOneName(String),
    /// A probe whose answers mean the same on and off.
    #[error(
        "[maintenance] the probe {0:?} can't be asked: its url is not an http:// or https:// address without credentials"
    )]
    ProbeUrl(String),
    /// A figure out of bounds.
    #[error("[maintenance] {setting} must lie between {least} and {most} seconds")]
    OutOfBounds {
        /// Which setting.
        setting: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A command without a program.
    #[error(
        "[maintenance.command] {0} names no program; write it as a list: [\"/usr/bin/docker\", \"compose\", \"up\"]"
    )]
    NoProgram(&'static str),
    /// A list that must not be empty.
    #[error("[maintenance.http] urls is empty; name at least one address")]
    NoUrls,
    /// An address that cannot be used.
    #[error(transparent)]
    Http(#[from] HttpSourceConfigError),
}

impl MaintenanceConfig {
    /// Longest time that one probe may take.
    pub fn probe_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.probe_timeout_s).unwrap_or(Duration::from_secs(3))
    }

    /// Finds contradictions.
    ///
    /// # Errors
    /// [`MaintenanceConfigError`], the first that is found.
    pub fn check(&self) -> Result<(), MaintenanceConfigError> {
        let given = [
            self.http.is_some(),
            self.command.is_some(),
            self.redis.is_some(),
            self.kubernetes.is_some(),
        ];
        match given.into_iter().filter(|given| *given).count() {
            1 => {}
            given => return Err(MaintenanceConfigError::Drivers { given }),
        }
        if !self.probes.iter().any(|probe| probe.kind == ProbeKind::Request) {
            return Err(MaintenanceConfigError::NoRequestProbe);
        }
        for (index, probe) in self.probes.iter().enumerate() {
            if self
                .probes
                .iter()
                .take(index)
                .any(|other| other.name == probe.name)
            {
                return Err(MaintenanceConfigError::TwoOfOneName(probe.name.clone()));
            }
            let url = &probe.url;
            let plain = url.username().is_empty() && url.password().is_none();
            if !matches!(url.scheme(), "http" | "https") || !plain {
                return Err(MaintenanceConfigError::ProbeUrl(probe.name.clone()));
            }
        }
        if let Some(http) = &self.http {
            if http.urls.is_empty() {
                return Err(MaintenanceConfigError::NoUrls);
            }
            for source in http.sources() {
                source.check("maintenance.http")?;
            }
        }
        if let Some(command) = &self.command {
            for (name, argv) in [("on", &command.on), ("off", &command.off)] {
                if argv.first().is_none_or(String::is_empty) {
                    return Err(MaintenanceConfigError::NoProgram(name));
                }
            }
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), MaintenanceConfigError> {
        let seconds = |given: f64| {
            if given.is_finite() && given >= 0.05 {
                given.ceil() as u64
            } else {
                0
            }
        };
        // Both must end within the time of the action's step.
        let command = self.command.as_ref().map_or(1, |command| command.timeout_s);
        let rollout = self
            .kubernetes
            .as_ref()
            .map_or(10, |kubernetes| kubernetes.rollout_s);
        let redis = self.redis.as_ref().map_or(1, |redis| seconds(redis.timeout_s));
        let bounds = [
            ("probe_timeout_s", seconds(self.probe_timeout_s), 1, 30),
            ("look_every_s", self.look_every_s, 1, 600),
            ("verify_within_s", self.verify_within_s, 1, 110),
            ("remind_before_s", self.remind_before_s, 0, 86_400),
            ("silence_tail_s", self.silence_tail_s, 0, 86_400),
            ("command.timeout_s", command, 1, 280),
            ("kubernetes.rollout_s", rollout, 10, 280),
            ("redis.timeout_s", redis, 1, 60),
        ];
        match bounds
            .into_iter()
            .find(|(_, given, least, most)| !(least..=most).contains(&given))
        {
            Some((setting, _, least, most)) => {
                Err(MaintenanceConfigError::OutOfBounds { setting, least, most })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &str = "[http]\nurls = ['http://127.0.0.1:9/maintenance']";

    fn check(text: &str) -> Result<MaintenanceConfig, String> {
        let config: MaintenanceConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn little_has_to_be_said() {
        let config = check(&format!(
            "probes = [{{ name = 'a', url = 'http://h/a' }}, {{ name = 'b', url = 'http://h/b', kind = 'health' }}]\n{HTTP}"
        ))
        .unwrap();
        let expected: Vec<_> = config
            .probes
            .iter()
            .map(|probe| {
                (
                    probe.expected(true).to_string(),
                    probe.expected(false).to_string(),
                )
            })
            .collect();
        assert_eq!(expected[0], ("503".to_owned(), "served".to_owned()));
        assert_eq!(expected[1], ("200".to_owned(), "200".to_owned()));
        assert_eq!(config.http.unwrap().on, serde_json::json!({ "enabled": true }));
    }

    #[test]
    fn mistakes_are_named() {
        let probe = "probes = [{ name = 'a', url = 'http://h/a' }]";
        let refused = |text: &str| check(text).unwrap_err();
        assert!(refused(probe).contains("exactly one of the tables"));
        assert!(
            refused(&format!("{probe}\n{HTTP}\n[redis]\nurl='redis://h'\nkey='k'")).contains("2 are given")
        );
        assert!(refused(&format!("probes = []\n{HTTP}")).contains("kind \"request\""));
        let twice = "probes = [{ name = 'a', url = 'http://h/a' }, { name = 'a', url = 'http://h/b' }]";
        assert!(refused(&format!("{twice}\n{HTTP}")).contains("two named"));
        let secret = "probes = [{ name = 'a', url = 'http://u:p@h/a' }]";
        assert!(refused(&format!("{secret}\n{HTTP}")).contains("without credentials"));
        assert!(
            refused(&format!("{probe}\nlook_every_s = 0\n{HTTP}"))
                .contains("look_every_s must lie between 1 and 600")
        );
        assert!(
            refused(&format!("{probe}\n[command]\non = []\noff = ['x']")).contains("on names no program")
        );
        let odd = "probes = [{ name = 'a', url = 'http://h/a', while_on = 'sometimes' }]";
        assert!(refused(&format!("{odd}\n{HTTP}")).contains("no expectation"));
    }
}
