//! Makes backups at their times and reads kept ones again: on the replica that leads, for all. What dead consoles have left is
//! cleared away by it, too.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quarterdeck_domain::backup::{Method, Schedule};
use time::OffsetDateTime;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use crate::{
    clients::backup_programs::Progress,
    clock::Clock,
    services::backups::{
        runs::{LEASE, RunError, Runs, Wanted},
        verification::Verifications,
    },
};

/// How often it looks at the schedules.
const ROUND: Duration = Duration::from_secs(1);
/// How often it looks what dead consoles have left, and which copy is to be read.
const SLOW_ROUND: Duration = Duration::from_secs(20);
/// How often it is asked whether anything of a method is kept.
const ASK_AGAIN: time::Duration = time::Duration::seconds(20);
/// How often it is tried again to make something of which nothing is kept.
const TRY_AGAIN: time::Duration = time::Duration::minutes(5);

/// Works until `stop`; then what it makes is ended, and it returns when that is written down.
pub async fn run(
    runs: Arc<Runs>,
    verifications: Arc<Verifications>,
    clock: Arc<dyn Clock>,
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    runs.remove_leftovers().await;
    let reading = read_again(Arc::clone(&verifications), leadership.clone(), stop.clone());
    let making = async {
        let mut schedules = Schedules::new(Arc::clone(&runs));
        let mut leads_since = None;
        let mut swept: Option<Instant> = None;
        loop {
            if *leadership.borrow() == Leadership::Leader {
                let since = *leads_since.get_or_insert_with(Instant::now);
                schedules.round(clock.now()).await;
                if swept.is_none_or(|at| at.elapsed() >= SLOW_ROUND) {
                    swept = Some(Instant::now());
                    // Others may only have been cut off from the database, as this one was: they have as long as the lease.
                    if since.elapsed() >= LEASE.unsigned_abs() {
                        match runs.give_up_lost().await {
                            Ok(0) => {}
                            Ok(number) => tracing::warn!(
                                number,
                                "backups of consoles that are gone were given up for lost"
                            ),
                            Err(error) => tracing::debug!(%error, "lost backups can't be looked for"),
                        }
                    }
                    runs.remove_leftovers().await;
                }
            } else {
                leads_since = None;
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(ROUND))
                .await
                .is_none()
            {
                return;
            }
        }
    };
    tokio::join!(reading, making);
    runs.ended().await;
    verifications.ended().await;
}

/// The schedules of all methods, and what is known of their last times.
#[derive(Debug)]
pub struct Schedules {
    runs: Arc<Runs>,
    /// The last time of each that needs nothing more.
    settled: HashMap<Method, OffsetDateTime>,
    /// When it was last asked whether anything of it is kept.
    asked: HashMap<Method, OffsetDateTime>,
    /// When it was last tried again because nothing of it is kept.
    tried: HashMap<Method, OffsetDateTime>,
}

impl Schedules {
    /// Of which nothing is known yet.
    #[must_use]
    pub fn new(runs: Arc<Runs>) -> Self {
        Self {
            runs,
            settled: HashMap::new(),
            asked: HashMap::new(),
            tried: HashMap::new(),
        }
    }

    /// Begins what is due. What can't be begun now is tried again in the next round, as long as it is due.
    pub async fn round(&mut self, now: OffsetDateTime) {
        for method in Method::ALL {
            let config = self.runs.config();
            let (Some(pattern), Some((grace, _))) = (config.schedule(method), config.patience(method)) else {
                continue;
            };
            let grace_s = u32::try_from(grace.as_secs()).unwrap_or(u32::MAX);
            // The configuration was checked.
            let Ok(schedule) = Schedule::new(pattern, grace_s) else {
                continue;
            };
            let Some(last) = schedule.last_until(now).filter(|_| self.runs.can_make(method)) else {
                continue;
            };
            if self.settled.get(&method) == Some(&last) {
                continue;
            }
            let in_time = schedule.due(now).is_some();
            match self.see_to(method, last, in_time, now).await {
                Ok(true) => {
                    self.settled.insert(method, last);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, method = method.key(), "a scheduled backup can't be begun")
                }
            }
        }
    }

    /// Whether the time needs nothing more.
    async fn see_to(
        &mut self,
        method: Method,
        last: OffsetDateTime,
        in_time: bool,
        now: OffsetDateTime,
    ) -> Result<bool, RunError> {
        let had = self.runs.had(method, last).await?;
        if in_time && !had {
            self.begin(method, Wanted::Schedule(last)).await?;
            return Ok(false);
        }
        // It had its run, or was missed: enough, where anything is kept at all.
        let recently =
            |at: &HashMap<Method, OffsetDateTime>, pause| at.get(&method).is_some_and(|at| now - *at < pause);
        if recently(&self.asked, ASK_AGAIN) {
            return Ok(false);
        }
        self.asked.insert(method, now);
        match self.runs.has_copy(method).await {
            Ok(true) => Ok(true),
            Ok(false) if !had => {
                self.begin(method, Wanted::Schedule(last)).await?;
                Ok(false)
            }
            Ok(false) if recently(&self.tried, TRY_AGAIN) => Ok(false),
            Ok(false) => {
                if self.begin(method, Wanted::NothingKept).await? {
                    self.tried.insert(method, now);
                }
                Ok(false)
            }
            Err(error) => {
                tracing::debug!(%error, method = method.key(), "whether there is a backup can't be seen");
                Ok(false)
            }
        }
    }

    /// Whether it was begun; not while another one goes on.
    async fn begin(&self, method: Method, wanted: Wanted<'_>) -> Result<bool, RunError> {
        match self.runs.begin(method, wanted).await {
            Ok(id) => {
                tracing::info!(%id, method = method.key(), ?wanted, "a backup was begun");
                Ok(true)
            }
            Err(RunError::UnderWay(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

async fn read_again(
    verifications: Arc<Verifications>,
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    loop {
        let leads = *leadership.borrow() == Leadership::Leader;
        let mut more = false;
        if leads {
            match verifications.due().await {
                Ok(None) => {}
                Ok(Some(name)) => {
                    let progress = Arc::new(Progress::default());
                    let read = verifications.verify(&name, None, progress).await;
                    more = read.is_ok();
                    match read {
                        Ok(found) => match found.wrong() {
                            None => tracing::info!(name, "a kept backup was read again and is good"),
                            Some(wrong) => tracing::warn!(name, wrong, "a kept backup was read again"),
                        },
                        Err(error) => {
                            tracing::warn!(name, %error, "what was found in a kept backup can't be written down")
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "which backup is to be read again can't be seen"),
            }
        }
        let pause = if more { ROUND } else { SLOW_ROUND };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}
