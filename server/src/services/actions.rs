//! Guarded actions: planning, asking, agreeing, starting. What they do is in [`kinds`], who does it in
//! [`workers::executor`](crate::workers::executor).

mod emergency;
pub mod kinds;
mod merge;
mod open;
mod plan;
mod policy;
mod record;
mod request;
mod run;
mod start;
mod transition;
mod views;
mod vote;

use std::sync::Arc;

use arc_swap::ArcSwap;
use quarterdeck_domain::{
    access::{Role, Subject},
    action::{ActionKind, Freeze, Refused},
};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::{Notify, RwLock};

pub use emergency::{Emergency, EmergencyAsk, EmergencyError};
pub use kinds::{Ending, Handler, Handlers, PlanError, Run, StepDone, StepError};
pub use request::Ask;
pub use run::Due;
pub use transition::LEASE;
pub use vote::Say;

use self::policy::InForce;
use super::{
    audit::{AuditError, EventMaker, Origin},
    identity::{Identity, IdentityError},
    notices::Channels,
};
use crate::{clock::Clock, db::DbError, entropy::Entropy};
use quarterdeck_domain::action::Policy;

/// Who does something, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// From where.
    pub origin: &'a Origin,
}

/// Why something about an action was not done. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// There is none of that id.
    #[error("there is no such action")]
    Unknown,
    /// The state machine says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The policy does not let this role.
    #[error("the policy lets {} do this, and your role is {role}", list(may))]
    Role {
        /// The asker's role.
        role: Role,
        /// Who may.
        may: Vec<Role>,
    },
    /// A freeze window stands against it.
    #[error("{}", frozen(.0))]
    Frozen(Freeze),
    /// The world has moved since the person looked at the plan.
    #[error("what would happen now is not what you were shown: look at the plan again")]
    Stale,
    /// Something is missing in the form.
    #[error("{0}")]
    Incomplete(&'static str),
    /// The kind is not set up in this installation.
    #[error("{kind} can't be done here: {reason}")]
    NotSetUp {
        /// Which kind.
        kind: ActionKind,
        /// What is missing.
        reason: String,
    },
    /// Another one is being done that it must not run beside. It was faster by a moment: the plan did not see it.
    #[error("another action changes the primary at this moment{}; wait for its end", numbered(*.number))]
    UnderWay {
        /// Its number; none if it is over by now.
        number: Option<i64>,
    },
    /// No plan could be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The password again.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It couldn't be recorded, so it was not done.
    #[error("nothing was done, because it could not be recorded")]
    Audit(#[from] AuditError),
    /// The database is away or unwilling.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A plan without a JSON form; a fault of the console.
    #[error("the plan has no canonical form")]
    Canonical(#[from] serde_json::Error),
}

impl From<sqlx::Error> for ActionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

fn numbered(number: Option<i64>) -> String {
    number.map_or_else(String::new, |number| format!(" (action {number})"))
}

fn list(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(" and ")
}

fn frozen(freeze: &Freeze) -> String {
    match freeze {
        Freeze::Free => "no freeze window stands against it".to_owned(),
        Freeze::Denied { window, until } => format!(
            "the freeze window “{window}” forbids it until {:02}:{:02} UTC",
            until.hour(),
            until.minute()
        ),
        Freeze::OutsideOfWindows { windows } => {
            format!("it may be done only within: {}", windows.join(", "))
        }
    }
}

/// What [`Actions`] works with.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct ActionsParts {
    pub pool: PgPool,
    pub identity: Arc<Identity>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub policy: Policy,
    pub handlers: Handlers,
    /// By which ways people are told besides in the console.
    pub channels: Channels,
}

/// Guarded actions.
#[derive(Debug)]
pub struct Actions {
    pool: PgPool,
    identity: Arc<Identity>,
    events: EventMaker,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    configured: Policy,
    in_force: RwLock<Option<Arc<InForce>>>,
    handlers: Handlers,
    channels: Channels,
    open: ArcSwap<open::Open>,
    /// Rung when something was started, so that the executor need not wait for its next round.
    rung: Notify,
}

impl Actions {
    /// Nothing is asked of the database yet.
    pub fn new(parts: ActionsParts) -> Self {
        Self {
            events: EventMaker::new(Arc::clone(&parts.clock), Arc::clone(&parts.entropy)),
            pool: parts.pool,
            identity: parts.identity,
            clock: parts.clock,
            entropy: parts.entropy,
            configured: parts.policy,
            in_force: RwLock::default(),
            handlers: parts.handlers,
            channels: parts.channels,
            open: ArcSwap::default(),
            rung: Notify::new(),
        }
    }

    /// Waits until something was started here.
    pub async fn started(&self) {
        self.rung.notified().await;
    }

    /// What time it is, for what is recorded later.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A new id for a request: the form carries it, so that the same form sent twice asks once.
    pub fn new_id(&self) -> uuid::Uuid {
        self.entropy.uuid(self.clock.now())
    }
}
