//! Acting while the console's own database is away: the intent, each step and the outcome go into the local journal, which
//! is taken over into the audit log later. Without the journal nothing is done.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use quarterdeck_app::view::{
    action::{ActionStateView, StepStateView, StepView},
    emergency::{EmergencyProposalView, EmergencyView, StoryView},
};
use quarterdeck_domain::{
    access::Credential,
    action::{ActionKind, Digest, Failure, Freeze, Gate, Outcome, Params, Plan, Refused, StepSpec, Verdict},
    journal::{Actor, Entry, Intent, StepEnd, Story},
};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::{
    ActionError, Actions, Asking, Handler, Run, StepDone, StepError,
    kinds::{Held, one_step, taken_back},
    views::plan_view,
};
use crate::{
    clock::unix_ms,
    db,
    services::journal::{Journal, JournalError},
};

/// How long the database may take to say that it is there.
const DB_LIMIT: Duration = Duration::from_secs(2);

/// What somebody wants done without the database.
#[derive(Debug, Clone)]
pub struct EmergencyAsk {
    /// The id that the form was made with: sent twice, it is done once.
    pub id: Uuid,
    /// What.
    pub params: Params,
    /// The digest of the plan that they were shown.
    pub digest: Digest,
    /// Why.
    pub reason: String,
    /// What they typed to confirm.
    pub typed: String,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum EmergencyError {
    /// There is no journal that could be written.
    #[error("{0}")]
    NoJournal(String),
    /// The intent could not be made durable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The ordinary way is open.
    #[error("the console's database answers: ask in the ordinary way, where others can agree")]
    DatabaseAnswers,
    /// This journal has one under way already.
    #[error("another action is under way in this console's journal; wait for its end")]
    UnderWay,
    /// Anything that could stand against it with the database, too.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// Acting without the database.
#[derive(Debug)]
pub struct Emergency {
    actions: Arc<Actions>,
    path: Option<PathBuf>,
    /// Open, or why not.
    journal: ArcSwap<Result<Arc<Journal>, String>>,
    /// One asks after the other.
    asking: Mutex<()>,
    rung: Notify,
    /// The number of the last line that is in the audit log, as far as this console knows.
    merged: AtomicU64,
}

impl Emergency {
    /// The journal is opened by [`work`](Self::work).
    pub fn new(actions: Arc<Actions>, path: Option<PathBuf>) -> Self {
        let closed = match &path {
            Some(_) => "the journal is not open yet; try again in a moment",
            None => "no journal is configured, see [journal] in the example configuration",
        };
        Self {
            actions,
            path,
            journal: ArcSwap::from_pointee(Err(closed.to_owned())),
            asking: Mutex::default(),
            rung: Notify::new(),
            merged: AtomicU64::new(0),
        }
    }

    fn journal(&self) -> Result<Arc<Journal>, EmergencyError> {
        match &**self.journal.load() {
            Ok(journal) => Ok(Arc::clone(journal)),
            Err(why) => Err(EmergencyError::NoJournal(why.clone())),
        }
    }

    async fn database_answers(&self) -> bool {
        let ask = async { Ok(sqlx::query("select 1").execute(&self.actions.pool).await?) };
        db::within(DB_LIMIT, ask).await.is_ok()
    }

    /// Waits until something is to be done.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }

    /// Does what was asked for. When this returns, the intent is durable and the worker takes it up.
    ///
    /// # Errors
    /// [`EmergencyError`]: nothing was done.
    pub async fn begin(&self, by: Asking<'_>, ask: EmergencyAsk) -> Result<(), EmergencyError> {
        let _one = self.asking.lock().await;
        let journal = self.journal()?;
        let stories = journal.stories();
        if stories.iter().any(|story| story.intent.action == ask.id) {
            return Ok(());
        }
        if stories.iter().any(|story| story.ended.is_none()) {
            return Err(EmergencyError::UnderWay);
        }
        if self.database_answers().await {
            return Err(EmergencyError::DatabaseAnswers);
        }
        let reason = ask.reason.trim().replace('\0', "");
        check_form(&ask, &reason)?;
        let plan = self.plan(&ask.params).await?;
        let digest = plan.digest().map_err(ActionError::from)?;
        if digest != ask.digest {
            return Err(ActionError::Stale.into());
        }
        if let Some(gate) = plan.refusals().next() {
            let reason = gate.reason.clone();
            return Err(ActionError::from(Refused::Gate { reason }).into());
        }
        if plan.targets.is_empty() {
            return Err(ActionError::from(Refused::NothingLeft).into());
        }
        let Credential::Session(session) = by.subject.credential else {
            return Err(ActionError::Incomplete("This needs a person; no API token can do it.").into());
        };
        let intent = Intent {
            action: ask.id,
            plan,
            digest,
            reason,
            by: Actor {
                account: by.subject.user_id,
                name: by.subject.username.clone(),
                role: by.subject.role,
                session,
                address: by.origin.address,
                user_agent: by.origin.user_agent.clone(),
                trace_id: by.origin.trace_id.clone(),
            },
        };
        journal.append(Entry::Intent(Box::new(intent))).await?;
        self.rung.notify_one();
        Ok(())
    }

    /// What would happen now. That no other change of the primary is under way is known of this console alone.
    async fn plan(&self, params: &Params) -> Result<Plan, ActionError> {
        let kind = params.kind();
        if kind != ActionKind::Failover {
            return Err(ActionError::Incomplete(
                "Without the console's database there is only failover.",
            ));
        }
        let actions = &self.actions;
        let now = actions.clock.now();
        let mut plan = actions.handler(params)?.plan(params, None, now).await?;
        if let Some(gate) = plan.gates.iter_mut().find(|gate| gate.name == "alone") {
            *gate = Gate::new(
                &gate.name,
                &gate.title,
                Verdict::Warned,
                "None is under way in this console's journal. What other consoles do can't be asked: make sure that nobody else acts.",
            );
        }
        let policy = actions.configured.written_out();
        // The version is the database's to say.
        let effective = policy.effective(0, kind, plan.targets.len(), now);
        if effective.freeze != Freeze::Free {
            return Err(ActionError::Frozen(effective.freeze));
        }
        if effective.rule.approvals > 0 && !effective.rule.break_glass {
            return Err(ActionError::Incomplete(
                "The policy does not let this be done without approvals.",
            ));
        }
        Ok(plan)
    }

    /// The page: what stands against acting now, or what would happen, and what the journal tells.
    pub async fn view(&self, params: Option<Params>) -> EmergencyView {
        let stories = self
            .journal()
            .map(|journal| journal.stories())
            .unwrap_or_default();
        let obstacle = match self.journal() {
            Err(error) => Some(error.to_string()),
            Ok(_) if stories.iter().any(|story| story.ended.is_none()) => {
                Some(EmergencyError::UnderWay.to_string())
            }
            Ok(_) if self.database_answers().await => Some(EmergencyError::DatabaseAnswers.to_string()),
            Ok(_) => None,
        };
        let proposal = match (&obstacle, params) {
            (None, Some(params)) => Some(match self.plan(&params).await {
                Ok(plan) => self.proposal(&plan),
                Err(error) => Err(error.to_string()),
            }),
            (Some(_), _) | (None, None) => None,
        };
        let merged = self.merged.load(Ordering::Relaxed);
        EmergencyView {
            database_answers: obstacle.as_deref()
                == Some(EmergencyError::DatabaseAnswers.to_string().as_str()),
            obstacle,
            proposal,
            stories: stories
                .iter()
                .rev()
                .map(|story| story_view(story, story.seq <= merged))
                .collect(),
            now_ms: unix_ms(self.actions.clock.now()),
        }
    }

    fn proposal(&self, plan: &Plan) -> Result<EmergencyProposalView, String> {
        let digest = plan.digest().map_err(|error| error.to_string())?;
        Ok(EmergencyProposalView {
            id: self.actions.new_id().to_string(),
            refused: plan.refusals().next().map(|gate| gate.reason.clone()),
            plan: plan_view(plan, digest),
        })
    }

    /// One round of the worker: opens the journal if it is not, does what was begun, and takes over what is whole.
    pub async fn work(&self) {
        let Some(journal) = self.opened().await else {
            return;
        };
        let begun = journal.stories().into_iter().find(|story| story.ended.is_none());
        if let Some(story) = begun.filter(|story| story.steps.is_empty()) {
            self.run(&journal, &story.intent).await;
        }
        let rows = journal.rows();
        let last = rows.last().map_or(0, |row| row.head.seq);
        if self.merged.load(Ordering::Relaxed) == last {
            return;
        }
        match self.actions.merge(journal.id(), &rows).await {
            Ok(merged) => {
                tracing::info!(journal = %journal.id(), line = merged, "the journal is in the audit log");
                self.merged.store(merged, Ordering::Relaxed);
            }
            Err(error) if is_away(&error) => {
                tracing::debug!(%error, "the journal can't be taken over yet");
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the journal can't be taken over into the audit log"
                );
            }
        }
    }

    async fn opened(&self) -> Option<Arc<Journal>> {
        let path = self.path.clone()?;
        if let Ok(journal) = self.journal() {
            return Some(journal);
        }
        let (clock, entropy) = (Arc::clone(&self.actions.clock), Arc::clone(&self.actions.entropy));
        let opening = tokio::task::spawn_blocking(move || Journal::open(&path, clock, &*entropy));
        let opened = match opening.await {
            Ok(Ok(journal)) => Ok(Arc::new(journal)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let said = match &**self.journal.load() {
            Ok(_) => String::new(),
            Err(said) => said.clone(),
        };
        match &opened {
            Ok(_) => {}
            Err(why) if *why != said => tracing::error!(why, "the journal can't be used"),
            Err(_) => {}
        }
        let journal = opened.as_ref().ok().map(Arc::clone);
        self.journal.store(Arc::new(opened));
        journal
    }

    async fn run(&self, journal: &Arc<Journal>, intent: &Intent) {
        let action = intent.action;
        tracing::warn!(%action, by = intent.by.name, kind = %intent.plan.params.kind(), "glass was broken without the database; an action begins");
        let handler = match self.actions.handler(&intent.plan.params) {
            Ok(handler) => Arc::clone(handler),
            // It was planned by it a moment ago.
            Err(error) => {
                tracing::error!(%action, %error, "there is nobody to do it");
                return;
            }
        };
        let mut run = Run {
            action,
            // The database gives it one when it is taken over.
            number: 0,
            started_by: intent.by.name.clone(),
            reason: intent.reason.clone(),
            plan: intent.plan.clone(),
            started_at: self.actions.clock.now(),
            done: Vec::new(),
            held: Held::default(),
        };
        let outcome = steps(journal, &*handler, &mut run).await;
        let outcome = taken_back(&*handler, &run, outcome).await;
        tracing::warn!(%action, ?outcome, "the action ends");
        if let Err(error) = journal.append(Entry::Ended { action, outcome }).await {
            tracing::error!(%action, error = &error as &dyn std::error::Error, "how an action ended could not be written into the journal");
        }
    }
}

/// Whether to try again without a word.
fn is_away(error: &ActionError) -> bool {
    match error {
        ActionError::Db(error) => error.is_unavailable(),
        ActionError::Audit(error) => error.is_unavailable(),
        _ => false,
    }
}

fn check_form(ask: &EmergencyAsk, reason: &str) -> Result<(), ActionError> {
    if reason.is_empty() {
        return Err(ActionError::Incomplete(
            "Say why: whoever reviews this needs to know.",
        ));
    }
    if reason.chars().count() > 2000 {
        return Err(ActionError::Incomplete(
            "The reason is too long: at most 2,000 characters.",
        ));
    }
    if ask.typed.trim() != ask.params.object() {
        return Err(ActionError::Incomplete(
            "The confirmation is not what it should be: type exactly what the form shows.",
        ));
    }
    Ok(())
}

/// Does the steps, each in the journal before it begins and after it has ended.
async fn steps(journal: &Arc<Journal>, handler: &dyn Handler, run: &mut Run) -> Outcome {
    let action = run.action;
    for (position, step) in (0_u16..).zip(run.plan.params.kind().spec().steps) {
        let name = step.name.to_owned();
        let begun = Entry::StepBegun {
            action,
            position,
            name: name.clone(),
        };
        if let Err(error) = journal.append(begun).await {
            tracing::error!(%action, step = step.name, error = &error as &dyn std::error::Error, "a step can't be written into the journal");
            if !step.covered {
                return unrecorded(position, step);
            }
        }
        let result = one_step(handler, run, step).await;
        let (end, detail, data) = match &result {
            Ok(StepDone { detail, data }) => (StepEnd::Done, detail.clone(), data.clone()),
            Err(StepError::Failed(reason)) => (StepEnd::Failed, reason.clone(), serde_json::Value::Null),
            Err(StepError::Unknown(known)) => (StepEnd::Unknown, known.clone(), serde_json::Value::Null),
        };
        let ended = Entry::StepEnded {
            action,
            position,
            name: name.clone(),
            end,
            detail,
            data,
        };
        if let Err(error) = journal.append(ended).await {
            tracing::error!(%action, step = step.name, error = &error as &dyn std::error::Error, "how a step ended could not be written into the journal");
        }
        match result {
            Ok(done) => run.done.push((step.name, done)),
            Err(StepError::Failed(reason)) => return Outcome::Failed(Failure::Step { step: name, reason }),
            Err(StepError::Unknown(known)) => return Outcome::Unknown { step: name, known },
        }
    }
    Outcome::Succeeded {
        summary: run.summary(),
    }
}

fn unrecorded(position: u16, step: &StepSpec) -> Outcome {
    let reason = "The step could not be written into the journal, so it was not done.".to_owned();
    Outcome::Failed(if position == 0 {
        Failure::NotBegun { reason }
    } else {
        Failure::Step {
            step: step.name.to_owned(),
            reason,
        }
    })
}

fn story_view(story: &Story, merged: bool) -> StoryView {
    let plan = &story.intent.plan;
    let spec = plan.params.kind().spec();
    let (state, explanation) = match story.ended.as_ref().map(|(_, outcome)| outcome) {
        None => (ActionStateView::Executing, String::new()),
        Some(Outcome::Succeeded { summary }) => (ActionStateView::Succeeded, summary.clone()),
        Some(Outcome::Failed(Failure::NotBegun { reason })) => {
            (ActionStateView::Failed, format!("Nothing was done. {reason}"))
        }
        Some(Outcome::Failed(Failure::Step { step, reason })) => {
            let text = format!("It failed at the step “{step}”: {reason}");
            (ActionStateView::Failed, text)
        }
        Some(Outcome::Failed(Failure::Stopped { by, before })) => {
            let text = format!("{by} stopped it before the step “{before}”.");
            (ActionStateView::Failed, text)
        }
        Some(Outcome::Unknown { step, known }) => {
            let text = format!("Nobody knows whether the step “{step}” took effect. {known}");
            (ActionStateView::OutcomeUnknown, text)
        }
    };
    let steps = (0_u16..).zip(spec.steps).map(|(position, step)| {
        let begun = story.steps.iter().find(|begun| begun.position == position);
        let end = begun.and_then(|begun| begun.end.as_ref());
        StepView {
            name: step.name.to_owned(),
            title: step.title.to_owned(),
            state: match (begun, end.map(|(_, end, _, _)| end)) {
                (_, Some(StepEnd::Done)) => StepStateView::Done,
                (_, Some(StepEnd::Failed)) => StepStateView::Failed,
                (_, Some(StepEnd::Unknown)) => StepStateView::Unknown,
                (Some(_), None) if state.is_over() => StepStateView::Unknown,
                (Some(_), None) => StepStateView::Running,
                (None, None) if state.is_over() => StepStateView::Skipped,
                (None, None) => StepStateView::Waiting,
            },
            detail: end.map(|(_, _, detail, _)| detail.clone()).unwrap_or_default(),
            started_at_ms: begun.map(|begun| unix_ms(begun.begun_at)),
            ended_at_ms: end.map(|(at, _, _, _)| unix_ms(*at)),
        }
    });
    StoryView {
        id: story.intent.action.to_string(),
        title: spec.title.to_owned(),
        object: plan.params.object(),
        by: story.intent.by.name.clone(),
        reason: story.intent.reason.clone(),
        at_ms: unix_ms(story.at),
        state,
        explanation,
        steps: steps.collect(),
        how_to_check: (state == ActionStateView::OutcomeUnknown).then(|| spec.how_to_check.to_owned()),
        merged,
    }
}
