//! What the kinds of actions need of the outside: one handler a kind.

use std::{any::Any, fmt::Debug, pin::Pin, sync::Arc};

use quarterdeck_domain::action::{ActionKind, Failure, Outcome, Params, Plan, StepSpec, TAKE_BACK};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

pub mod maintenance;
pub mod primary;
pub mod retention;
pub mod sessions;

/// A boxed future: what makes the trait object-safe.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why no plan could be made: the world could not be looked at, or the parameters name nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The parameters make no sense.
    #[error("{0}")]
    Parameters(String),
    /// Something that has to be asked does not answer.
    #[error("{0}")]
    Unreachable(String),
}

/// What a step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDone {
    /// What was seen, in a sentence.
    pub detail: String,
    /// The same for the steps that follow, and for programs.
    pub data: Value,
}

impl StepDone {
    /// With nothing for programs.
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            data: Value::Null,
        }
    }
}

/// Why a step did not do what it should.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// It is known that it failed, and how far it came.
    #[error("{0}")]
    Failed(String),
    /// It is not known whether it took effect.
    #[error("{0}")]
    Unknown(String),
}

/// An execution as far as it is.
#[derive(Debug, Clone)]
pub struct Run {
    /// The action.
    pub action: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// Who started it.
    pub started_by: String,
    /// Why it was asked for.
    pub reason: String,
    /// What is to be done: the plan as it was at the start. It touches nothing that was not agreed to.
    pub plan: Plan,
    /// When it was started.
    pub started_at: OffsetDateTime,
    /// The steps that are done, by name.
    pub done: Vec<(&'static str, StepDone)>,
    /// What a step holds for those that follow. It is let go of when the execution ends, in whatever way.
    pub held: Held,
}

/// Something that is held while an execution lasts: a lock with its session, say.
pub type Held = Arc<tokio::sync::Mutex<Option<Box<dyn Any + Send>>>>;

impl Run {
    /// What was done, in sentences.
    pub fn summary(&self) -> String {
        let seen: Vec<_> = self.done.iter().map(|(_, done)| done.detail.as_str()).collect();
        seen.join(" ")
    }

    /// What an earlier step left for this one.
    pub fn data(&self, step: &str) -> &Value {
        self.done
            .iter()
            .find(|(name, _)| *name == step)
            .map_or(&Value::Null, |(_, done)| &done.data)
    }

    /// Whether a step was begun: it is done, or it is the one that failed.
    pub fn has_begun(&self, step: &str, failed: &str) -> bool {
        failed == step || self.done.iter().any(|(name, _)| *name == step)
    }
}

/// How an execution ended before its aim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A step failed, or somebody stopped it: it is known how far it came.
    Known,
    /// Its worker is gone, and may have been in the middle of a step.
    Abandoned,
}

/// Does one step within its time.
///
/// # Errors
/// [`StepError`]; that its time is over is [`StepError::Unknown`].
pub async fn one_step(handler: &dyn Handler, run: &Run, step: &StepSpec) -> Result<StepDone, StepError> {
    match tokio::time::timeout(step.timeout, handler.step(step.name, run)).await {
        Ok(result) => result,
        Err(_) => Err(StepError::Unknown(format!(
            "The step was not through after {} s and was left; whether it takes effect is not known.",
            step.timeout.as_secs()
        ))),
    }
}

/// Takes back what was begun, and says so with the failure.
pub async fn taken_back(handler: &dyn Handler, run: &Run, outcome: Outcome) -> Outcome {
    let Some(at) = outcome.step().map(str::to_owned) else {
        return outcome;
    };
    // How far a step came whose outcome is not known is not known, as if its worker had died in it.
    let ending = if matches!(outcome, Outcome::Unknown { .. }) {
        Ending::Abandoned
    } else {
        Ending::Known
    };
    let said = match tokio::time::timeout(TAKE_BACK, handler.take_back(run, &at, ending)).await {
        Ok(Ok(None)) => return outcome,
        Ok(Ok(Some(said))) => Ok(said),
        Ok(Err(left)) => Err(left),
        Err(_) => Err("What was begun could not be taken back in time.".to_owned()),
    };
    let (step, known, is_known) = match outcome {
        Outcome::Failed(Failure::Step { step, reason }) => (step, reason, true),
        Outcome::Failed(Failure::Stopped { by, before }) => {
            (before, format!("{by} stopped it before this step."), true)
        }
        Outcome::Unknown { step, known } => (step, known, false),
        outcome => return outcome,
    };
    match said {
        Ok(said) if is_known => Outcome::Failed(Failure::Step {
            step,
            reason: format!("{known} {said}"),
        }),
        Ok(said) | Err(said) => Outcome::Unknown {
            step,
            known: format!("{known} {said}"),
        },
    }
}

/// What one kind of action needs of the outside.
pub trait Handler: Send + Sync + Debug {
    /// Looks at the world and says what would happen now. With `agreed`, the plan that was agreed to, it looks at the
    /// same targets: what has newly come to fit the parameters is left out.
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        agreed: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>>;

    /// Does one step of [`ActionSpec::steps`](quarterdeck_domain::action::ActionSpec::steps). It is called once, and
    /// dropped when the step's time is over.
    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>>;

    /// Takes back what was begun, when an execution ends before its aim. Answers what was done, in a sentence; none where
    /// there is nothing to take back, or it would not be safe. `at` is the step that was begun last, or not begun.
    ///
    /// # Errors
    /// What could not be taken back, and what a person has to do.
    fn take_back<'a>(
        &'a self,
        _run: &'a Run,
        _at: &'a str,
        _ending: Ending,
    ) -> Work<'a, Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// The handler of each kind, or why this installation has none.
#[derive(Debug, Clone)]
pub struct Handlers {
    /// Cancelling and terminating backends.
    pub sessions: Result<Arc<dyn Handler>, String>,
    /// Maintenance mode.
    pub maintenance: Result<Arc<dyn Handler>, String>,
    /// Switchover and failover.
    pub primary: Result<Arc<dyn Handler>, String>,
    /// Deleting old backups.
    pub retention: Result<Arc<dyn Handler>, String>,
}

impl Handlers {
    /// The handler of a kind.
    ///
    /// # Errors
    /// What is missing in this installation.
    pub fn of(&self, kind: ActionKind) -> Result<&Arc<dyn Handler>, &str> {
        match kind {
            ActionKind::CancelQuery | ActionKind::TerminateBackend | ActionKind::TerminateLongRunning => {
                self.sessions.as_ref()
            }
            ActionKind::MaintenanceOn | ActionKind::MaintenanceOff => self.maintenance.as_ref(),
            ActionKind::Switchover | ActionKind::Failover => self.primary.as_ref(),
            ActionKind::DeleteOldBackups => self.retention.as_ref(),
        }
        .map_err(String::as_str)
    }
}
