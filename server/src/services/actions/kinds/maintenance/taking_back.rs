//! What is taken back of an action that ended before its aim: no silence outlives the maintenance that it was made for, or would
//! have been.

use std::time::Duration;

use quarterdeck_domain::{action::Params, maintenance::Mode};
use time::OffsetDateTime;

use super::{
    Ending, MaintenanceHandler, Run,
    planning::clock,
    switching::{silences, words},
};
use crate::services::maintenance::SilenceError;

impl MaintenanceHandler {
    /// Ends silences that nothing needs any more, and says so. The switch itself stays as it was found.
    pub(super) async fn end_what_is_not_needed(&self, run: &Run, at: &str, ending: Ending) -> Option<String> {
        match &run.plan.params {
            Params::MaintenanceOn { expected_end, .. } => self.of_switching_on(run, at, *expected_end).await,
            // That they could not be ended is what this step has said itself.
            Params::MaintenanceOff {} if at == "unsilence" && ending == Ending::Known => None,
            Params::MaintenanceOff {} => self.of_switching_off(run).await,
            Params::CancelQuery { .. }
            | Params::TerminateBackend { .. }
            | Params::TerminateLongRunning { .. }
            | Params::Switchover { .. }
            | Params::Failover { .. }
            | Params::DeleteOldBackups {} => None,
        }
    }

    async fn of_switching_on(&self, run: &Run, at: &str, expected_end: OffsetDateTime) -> Option<String> {
        let ends = clock(expected_end);
        // The switch is not thrown before this step is through and recorded.
        let present = if at == "silence" {
            Mode::Off
        } else {
            self.present().await
        };
        match present {
            Mode::On | Mode::Mixed => None,
            Mode::Unknown if silences(run, "silence").is_empty() => None,
            // It may still come about.
            Mode::Unknown => Some(format!(
                "Whether it is on can't be read, so the alerts stay silenced until {ends}; if it is off, end that in Alertmanager."
            )),
            Mode::Off => match self.maintenance.end_silences_of(run.action).await {
                Ok(0) | Err(SilenceError::NoAlertmanager | SilenceError::NothingToSilence) => None,
                Ok(_) => Some("The silences were ended.".to_owned()),
                Err(SilenceError::Source(error)) => Some(format!(
                    "Silences may be left behind ({error}): end them in Alertmanager; by themselves they last until {ends}."
                )),
            },
        }
    }

    async fn of_switching_off(&self, run: &Run) -> Option<String> {
        let tail = Duration::from_secs(self.maintenance.config().silence_tail_s);
        match self.maintenance.look().await.mode {
            Mode::On | Mode::Mixed => None,
            Mode::Unknown => match self.maintenance.can_silence().await {
                Ok(()) | Err(SilenceError::Source(_)) => Some(
                    "Whether it is off can't be told, so alerts may be silenced still: until the expected end, or until somebody ends \
                     that in Alertmanager."
                        .to_owned(),
                ),
                Err(SilenceError::NoAlertmanager | SilenceError::NothingToSilence) => None,
            },
            Mode::Off => match self.maintenance.end_silences(&silences(run, "switch"), tail).await {
                Ok(ended) if ended.count == 0 => None,
                Ok(ended) => Some(words(&ended)),
                Err(SilenceError::NoAlertmanager | SilenceError::NothingToSilence) => None,
                Err(SilenceError::Source(error)) => Some(format!(
                    "Its silences could not be ended ({error}): end those of “quarterdeck” in Alertmanager; by themselves they last \
                     until the expected end."
                )),
            },
        }
    }

    /// The mode as it stands in the places that the driver reads.
    pub(super) async fn present(&self) -> Mode {
        let places = self.maintenance.driver().read().await;
        Mode::of(places.iter().map(|place| place.mode))
    }
}
