//! Whether each step of a switchover and of a failover has the time for all that it may have to wait for. One that is left in
//! the middle has an unknown outcome: that must not come of settings.

use std::time::Duration;

use quarterdeck_domain::action::{ActionKind, TAKE_BACK};

use super::{FailoverConfig, FailoverConfigError};
use crate::config::postgres::PostgresNodeConfig;

/// How long a checkpoint may take.
pub const CHECKPOINT: Duration = Duration::from_secs(280);
/// How long a promotion may take.
pub const PROMOTION: Duration = Duration::from_secs(60);
/// How long sessions may take to end after they were asked to.
pub const SESSIONS: Duration = Duration::from_secs(10);
/// How long a node may take to stream after it was made a standby.
pub const STREAMING: Duration = Duration::from_secs(60);
/// How long the clients' address may take to lead to the new primary.
pub const VERIFY: Duration = Duration::from_secs(60);
/// Longest time for one attempt to write there.
pub const PROBE: Duration = Duration::from_secs(5);
/// How long another standby may take to follow the new primary.
pub const FOLLOW: Duration = Duration::from_secs(15);

/// The console's own database, for one record.
const RECORD_S: f64 = 5.0;
/// What a program that was not through in time has to end, and its output to be read.
const ENDING_S: f64 = 3.0;

/// What a step may have to wait for: what is fixed, and settings, each so many times.
struct Waits {
    step: &'static str,
    fixed_s: f64,
    settings: Vec<(&'static str, f64, f64)>,
}

impl Waits {
    fn sum_s(&self) -> f64 {
        let settings = self.settings.iter().map(|(_, value, times)| value * times);
        self.fixed_s + settings.sum::<f64>()
    }

    /// The settings that count, the heaviest first.
    fn named(&self) -> String {
        let mut settings: Vec<_> = self
            .settings
            .iter()
            .filter(|(_, value, times)| value * times > 0.0)
            .collect();
        settings.sort_by(|a, b| (b.1 * b.2).total_cmp(&(a.1 * a.2)));
        let named: Vec<_> = settings
            .into_iter()
            .map(|(key, value, times)| {
                if *times > 1.0 {
                    format!("{key} ({value} s, {times} times)")
                } else {
                    format!("{key} ({value} s)")
                }
            })
            .collect();
        named.join(" or ")
    }
}

const NODE: &str = "timeout_s of [[postgres]]";
const PATIENCE: &str = "failover.patience_s";
const FENCE: &str = "failover.fence_timeout_s";
const REJOIN: &str = "failover.rejoin_timeout_s";
const PGBOUNCER: &str = "failover.pgbouncer.timeout_s";
const COMMAND: &str = "failover.command.timeout_s";

#[expect(clippy::cast_precision_loss, reason = "seconds, and a handful of databases")]
impl FailoverConfig {
    /// Finds a step that has too little time.
    ///
    /// # Errors
    /// [`FailoverConfigError::StepTooShort`].
    pub fn check_steps(&self, nodes: &[PostgresNodeConfig]) -> Result<(), FailoverConfigError> {
        // The longest of a node's counts: any of them may be the slow one.
        let node_s = nodes.iter().map(|node| node.timeout_s).fold(0.0, f64::max);
        for kind in ActionKind::CHANGING_PRIMARY {
            for step in kind.spec().steps {
                let waits = self.waits(step.name, node_s);
                waits.map_or(Ok(()), |waits| within(&waits, step.timeout))?;
            }
        }
        within(&self.take_back(node_s), TAKE_BACK)
    }

    /// What a step waits for, if it is the console's own.
    fn waits(&self, step: &'static str, node_s: f64) -> Option<Waits> {
        // A question takes a connection and an answer; a look at the cluster up to four times the limit.
        let nodes = |times: f64| (NODE, node_s, times);
        let patience = (PATIENCE, self.patience_s as f64, 1.0);
        let waits = |fixed_s, settings| {
            Some(Waits {
                step,
                fixed_s,
                settings,
            })
        };
        let own = self.patroni.is_none();
        match step {
            "checkpoint" if own => waits(CHECKPOINT.as_secs_f64(), vec![nodes(3.0)]),
            "pause" => waits(
                self.program_s(),
                vec![patience, self.pgbouncer_s(4.0), self.command_s(1.0)],
            ),
            "stop_writes" if own => waits(SESSIONS.as_secs_f64(), vec![nodes(11.0)]),
            "catch_up" if own => waits(0.0, vec![patience, nodes(5.0)]),
            "promote" if own => waits(PROMOTION.as_secs_f64() + 2.0 * RECORD_S, vec![nodes(21.0)]),
            "fence" => waits(
                RECORD_S + ENDING_S + self.program_s(),
                vec![
                    (FENCE, self.fence_timeout_s as f64, 1.0),
                    nodes(2.0),
                    self.pgbouncer_s(1.0),
                    self.command_s(1.0),
                ],
            ),
            "repoint" => waits(
                2.0 * self.program_s(),
                vec![
                    (
                        PGBOUNCER,
                        self.pgbouncer.as_ref().map_or(0.0, |one| one.timeout_s),
                        3.0,
                    ),
                    self.command_s(2.0),
                ],
            ),
            "resume" => waits(self.program_s(), vec![self.pgbouncer_s(1.0), self.command_s(1.0)]),
            "verify" => waits((VERIFY + PROBE + FOLLOW).as_secs_f64(), vec![nodes(12.0)]),
            "rejoin" => waits(
                (CHECKPOINT + STREAMING + FOLLOW).as_secs_f64() + ENDING_S,
                vec![(REJOIN, self.rejoin_timeout_s as f64, 1.0), nodes(9.0)],
            ),
            _ => None,
        }
    }

    fn take_back(&self, node_s: f64) -> Waits {
        Waits {
            step: "taking back what was begun",
            fixed_s: 2.0 * RECORD_S + self.program_s(),
            settings: vec![
                (NODE, node_s, if self.patroni.is_none() { 10.0 } else { 0.0 }),
                self.pgbouncer_s(1.0),
                self.command_s(1.0),
            ],
        }
    }

    /// PgBouncer is asked what it has, and told for each database; `more` is what it is asked besides, and once for that.
    fn pgbouncer_s(&self, more: f64) -> (&'static str, f64, f64) {
        let (timeout_s, databases) = self
            .pgbouncer
            .as_ref()
            .map_or((0.0, 0), |one| (one.timeout_s, one.databases.len()));
        (PGBOUNCER, timeout_s, databases as f64 + more)
    }

    fn command_s(&self, times: f64) -> (&'static str, f64, f64) {
        (
            COMMAND,
            self.command.as_ref().map_or(0.0, |one| one.timeout_s as f64),
            times,
        )
    }

    fn program_s(&self) -> f64 {
        if self.command.is_some() { ENDING_S } else { 0.0 }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds that were checked to be few"
)]
fn within(waits: &Waits, has: Duration) -> Result<(), FailoverConfigError> {
    let needs_s = waits.sum_s().ceil();
    if needs_s <= has.as_secs_f64() {
        return Ok(());
    }
    Err(FailoverConfigError::StepTooShort {
        step: waits.step,
        needs_s: needs_s as u64,
        has_s: has.as_secs(),
        settings: waits.named(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PGBOUNCER: &str = "probe_url = 'postgres://probe@h/app'\n[pgbouncer]\nadmin_url = 'postgres://a@h:6432/pgbouncer'\ndatabases_file = '/f'\ndatabases = ['app', 'probe']";
    const COMMAND: &str = "probe_url = 'postgres://probe@h/app'\n[command]\nstatus = ['a']\npoint = ['b']\nhold = ['c']\nrelease = ['d']";

    fn checked(config: &str, node_s: f64) -> Result<(), String> {
        let config: FailoverConfig = toml::from_str(config).unwrap();
        config.check().map_err(|error| error.to_string())?;
        let mut node = PostgresNodeConfig::new("db-1", "postgres://h/d");
        node.timeout_s = node_s;
        config.check_steps(&[node]).map_err(|error| error.to_string())
    }

    #[test]
    fn every_step_is_counted() {
        let config: FailoverConfig = toml::from_str(PGBOUNCER).unwrap();
        for kind in ActionKind::CHANGING_PRIMARY {
            for step in kind.spec().steps {
                assert!(config.waits(step.name, 3.0).is_some(), "{}", step.name);
            }
        }
    }

    #[test]
    fn the_defaults_and_what_lies_near_them_fit() {
        for config in [PGBOUNCER, COMMAND] {
            for more in [
                "",
                "patience_s = 60\n",
                "fence_timeout_s = 90\n",
                "rejoin_timeout_s = 1400\n",
            ] {
                checked(&format!("{more}{config}"), 5.0).unwrap();
            }
        }
    }

    #[test]
    fn every_setting_that_takes_a_step_its_time_is_named() {
        let refused = |config: &str, node_s: f64, step: &str, setting: &str| {
            let error = checked(config, node_s).unwrap_err();
            assert!(
                error.contains(step) && error.contains(setting),
                "{step}, {setting}: {error}"
            );
        };
        refused(
            PGBOUNCER,
            60.0,
            "checkpoint",
            "timeout_s of [[postgres]] (60 s, 3 times)",
        );
        refused(
            &format!("{PGBOUNCER}\ntimeout_s = 12"),
            3.0,
            "resume",
            "failover.pgbouncer.timeout_s (12 s, 3 times)",
        );
        let many = PGBOUNCER.replace("'app', ", "'a', 'b', 'c', 'd', 'e', 'f', 'app', ");
        refused(&many, 3.0, "resume", "(5 s, 9 times)");
        refused(
            &format!("{COMMAND}\ntimeout_s = 29"),
            3.0,
            "repoint",
            "failover.command.timeout_s (29 s, 2 times)",
        );
        refused(
            &format!("patience_s = 100\n{PGBOUNCER}"),
            5.0,
            "catch_up",
            "failover.patience_s (100 s)",
        );
        refused(
            &format!("fence_timeout_s = 120\n{COMMAND}"),
            3.0,
            "fence",
            "failover.fence_timeout_s (120 s)",
        );
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for timeout in ["0.0", "-1.0", "nan", "inf", "61.0"] {
            let error = checked(&format!("{PGBOUNCER}\ntimeout_s = {timeout}"), 3.0).unwrap_err();
            assert!(
                error.contains("failover.pgbouncer.timeout_s must lie between"),
                "{error}"
            );
        }
        let error = checked(&format!("{COMMAND}\ntimeout_s = 0"), 3.0).unwrap_err();
        assert!(
            error.contains("failover.command.timeout_s must lie between"),
            "{error}"
        );
    }
}
