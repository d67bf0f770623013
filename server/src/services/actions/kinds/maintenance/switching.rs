//! The steps: silence, switch, verify, end the silences.

use std::time::Duration;

use quarterdeck_domain::{
    action::{Params, Verdict},
    maintenance::{Held, Mode, Switching, odd},
};
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    MaintenanceHandler, Run, StepDone, StepError,
    planning::{SILENCES, clock},
};
use crate::{
    clients::maintenance::{Order, SwitchError},
    services::maintenance::{Ended, SilenceError},
};

/// Time between two looks from outside.
const LOOK: Duration = Duration::from_millis(500);

impl MaintenanceHandler {
    pub(super) async fn silence(&self, run: &Run) -> Result<StepDone, StepError> {
        let Params::MaintenanceOn { expected_end, .. } = &run.plan.params else {
            return Err(StepError::Failed("This silences nothing.".to_owned()));
        };
        let why = format!(
            "Maintenance mode, action {} of {}: {}",
            run.number, run.started_by, run.reason
        );
        match self.maintenance.silence(*expected_end, &why, run.action).await {
            Ok(ids) => Ok(StepDone {
                detail: format!(
                    "{} are silenced until {}.",
                    self.maintenance.config().silence_alerts.join(", "),
                    clock(*expected_end)
                ),
                data: json!({ "silences": ids }),
            }),
            // Whoever agreed knew it.
            Err(error) if warned(run) => Ok(StepDone::new(format!(
                "Nothing is silenced, as the plan had said: {error}."
            ))),
            Err(error) => Err(StepError::Failed(format!(
                "The alerts could not be silenced ({error}), so nothing was switched."
            ))),
        }
    }

    pub(super) async fn switch_on(&self, run: &Run) -> Result<StepDone, StepError> {
        let Params::MaintenanceOn {
            expected_end,
            message,
        } = &run.plan.params
        else {
            return Err(StepError::Failed("This switches nothing on.".to_owned()));
        };
        let switching = Switching {
            action: run.action,
            number: run.number,
            held: Some(Held {
                action: run.action,
                number: run.number,
                by: run.started_by.clone(),
                reason: run.reason.clone(),
                message: message.clone(),
                expected_end: *expected_end,
                silences: silences(run, "silence"),
            }),
        };
        let order = Order {
            on: true,
            message,
            until: Some(*expected_end),
        };
        self.switch(run, switching, order).await
    }

    pub(super) async fn switch_off(&self, run: &Run) -> Result<StepDone, StepError> {
        let switching = Switching {
            action: run.action,
            number: run.number,
            held: None,
        };
        let order = Order {
            on: false,
            message: "",
            until: None,
        };
        // Once it is off, nobody knows any more which silences there were.
        let held = self.maintenance.held().await.map_err(|error| {
            StepError::Failed(format!(
                "What was silenced can't be read, so nothing was switched: {error}."
            ))
        })?;
        let done = self.switch(run, switching, order).await?;
        let silences = held.map(|held| held.silences).unwrap_or_default();
        Ok(StepDone {
            data: json!({ "silences": silences }),
            ..done
        })
    }

    async fn switch(&self, run: &Run, switching: Switching, order: Order<'_>) -> Result<StepDone, StepError> {
        let (on, wanted) = (order.on, switching.to());
        if let Err(error) = self.maintenance.about_to(switching).await {
            return Err(StepError::Failed(format!(
                "It could not be written down, so nothing was switched: {error}."
            )));
        }
        match self.maintenance.driver().switch(order).await {
            Ok(seen) => {
                self.maintenance.switched(run.action, wanted).await;
                Ok(StepDone::new(seen))
            }
            Err(SwitchError::Refused(reason)) => {
                let present = self.present().await;
                let untouched = if on { Mode::Off } else { Mode::On };
                if present == untouched {
                    self.maintenance.gave_up(run.action).await;
                    return Err(StepError::Failed(format!(
                        "{reason} It is {} as before.",
                        untouched.word()
                    )));
                }
                Err(StepError::Failed(format!(
                    "{reason} It is {} now. Ask for it again, or for the opposite.",
                    present.word()
                )))
            }
            Err(SwitchError::Unknown(reason)) => Err(StepError::Unknown(reason)),
        }
    }

    pub(super) async fn verify(&self, on: bool) -> Result<StepDone, StepError> {
        let limit = Duration::from_secs(self.maintenance.config().verify_within_s);
        let begun = Instant::now();
        loop {
            let sights = self.maintenance.look_from_outside().await;
            if sights.iter().all(|sight| sight.fits(on)) {
                let seen = sights
                    .iter()
                    .map(|sight| format!("{} {}", sight.name, sight.words()));
                let seen: Vec<_> = seen.collect();
                return Ok(StepDone {
                    detail: format!(
                        "Seen from outside after {:.1} s: {}.",
                        begun.elapsed().as_secs_f64(),
                        seen.join(", ")
                    ),
                    data: json!({ "sights": sights }),
                });
            }
            if begun.elapsed() >= limit {
                return Err(StepError::Failed(format!(
                    "It was switched {}, but seen from outside it is not so after {} s: {}.",
                    if on { "on" } else { "off" },
                    limit.as_secs(),
                    odd(&sights, on).join("; ")
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn unsilence(&self, run: &Run) -> Result<StepDone, StepError> {
        let tail = Duration::from_secs(self.maintenance.config().silence_tail_s);
        match self
            .maintenance
            .end_silences(&silences(run, "switch"), tail)
            .await
        {
            Ok(Ended { count: 0, .. }) => Ok(StepDone::new("No silence was left to end.")),
            Ok(ended) => Ok(StepDone {
                detail: words(&ended),
                data: json!({ "until": ended.until.map(OffsetDateTime::unix_timestamp) }),
            }),
            Err(error @ (SilenceError::NoAlertmanager | SilenceError::NothingToSilence)) => {
                Ok(StepDone::new(format!("There is nothing to end: {error}.")))
            }
            Err(SilenceError::Source(error)) => Err(StepError::Failed(format!(
                "The service is served again, but its silences could not be ended ({error}). End those of “quarterdeck” in \
                 Alertmanager; by themselves they last until the expected end."
            ))),
        }
    }
}

/// The ids of silences that a step has left for this one.
pub(super) fn silences(run: &Run, step: &str) -> Vec<String> {
    let list = run
        .data(step)
        .get("silences")
        .and_then(serde_json::Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect()
}

/// Whether the plan that was agreed to said that nothing will be silenced.
fn warned(run: &Run) -> bool {
    let gate = run.plan.gates.iter().find(|gate| gate.name == SILENCES);
    gate.is_some_and(|gate| gate.verdict != Verdict::Passed)
}

/// How silences were ended.
pub(super) fn words(ended: &Ended) -> String {
    let count = match ended.count {
        1 => "1 silence".to_owned(),
        count => format!("{count} silences"),
    };
    match ended.until {
        None => format!("{count} ended."),
        Some(until) => format!(
            "{count}, over at {}: until then rules look back at what was refused.",
            clock(until)
        ),
    }
}
