//! Checks a deployment and says what to mend: `quarterdeck doctor`.
//!
//! Each file checks one thing that the console stands on and gives [`Finding`]s. Nothing is changed but the row that
//! the probe of `[failover]` writes and a file beside the `[journal]` that is removed again, and a check that cannot be made is a finding itself. Failures are what keeps the
//! console from its work; warnings are what will bite one day.

mod alertmanager;
mod console_database;
mod console_redis;
mod email;
mod failover;
mod journal;
mod maintenance;
mod nodes;
mod prometheus;
mod report;
mod skew;
mod tools;

use crate::{
    clock::{Clock, SystemClock},
    config::Config,
};

pub use report::{DoctorReport, Finding, Outcome};

/// Makes every check, independent ones at the same time.
pub async fn run(config: &Config) -> DoctorReport {
    run_at(config, &SystemClock).await
}

/// As [`run`], with a clock against which the others are held.
pub async fn run_at(config: &Config, clock: &dyn Clock) -> DoctorReport {
    let mut findings = Vec::new();
    let profile = match config.profile.load() {
        Ok(profile) => {
            let text = format!("{}: {} metrics", profile.title(), profile.metrics().len());
            findings.push(Finding::ok("Profile", "can be used", text));
            Some(profile)
        }
        Err(error) => {
            findings.push(Finding::fail(
                "Profile",
                "can be used",
                error.to_string(),
                "Mend the file.",
            ));
            None
        }
    };
    let (
        database,
        redis,
        prometheus,
        alertmanager,
        (nodes, watched_major),
        email,
        maintenance,
        failover,
        journal,
    ) = tokio::join!(
        console_database::check(&config.database, clock),
        console_redis::check(config.redis.as_ref(), clock),
        prometheus::check(&config.prometheus, profile.as_ref(), clock),
        alertmanager::check(config.alertmanager.as_ref()),
        nodes::check(&config.postgres, clock),
        email::check(config.email.as_ref(), &config.database),
        maintenance::check(config.maintenance.as_ref(), config.alertmanager.is_some()),
        failover::check(config.failover.as_ref(), &config.postgres),
        journal::check(
            config.journal.as_ref(),
            config.failover.is_some(),
            &config.database
        ),
    );
    findings.extend(database);
    findings.extend(redis);
    findings.extend(prometheus);
    findings.extend(alertmanager);
    findings.extend(nodes);
    findings.extend(email);
    findings.extend(maintenance);
    findings.extend(failover);
    findings.extend(journal);
    findings.extend(tools::check(watched_major).await);
    DoctorReport { findings }
}
