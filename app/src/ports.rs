//! The one door from pages to the server. `server` puts an [`Arc<dyn Console>`](Console) and a [`RequestContext`]
//! into the Leptos context; pages and server functions know nothing else of it, so that sqlx, redis and the rest
//! never reach the browser, and pages can be rendered in a test with a fake.

mod actions;

use std::{future::Future, pin::Pin, sync::Arc};

use quarterdeck_domain::{access::Subject, audit::Search, chart::TimeRange};

use crate::{
    error::ConsoleError,
    view::{
        account::SessionView,
        api_token::ApiTokensView,
        audit::{AuditEntryView, AuditPageView},
        backup::{BackupsView, CopyPageView, RunPageView},
        database::{DatabaseSessionsView, SessionFilter},
        health::{MetricView, OverviewView, RangeView, TransitionView},
        maintenance::MaintenanceView,
        runbook::RunbookView,
        topology::{SplitView, TopologyView},
    },
};

pub use actions::{GuardedActions, RefusedRequest, Which};

/// A boxed future: what makes the trait object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What pages ask of the server. Every method checks the subject's permission itself (one `decide()` for every
/// door) and answers [`ConsoleError::Refused`] where it is missing.
pub trait Console: GuardedActions + Send + Sync {
    /// The state of everything, from memory.
    fn overview(&self, subject: &Subject) -> Result<OverviewView, ConsoleError>;

    /// The id of the last event of the stream: from there on a page that is made now has to follow it.
    fn last_event_id(&self) -> String;

    /// One metric, without its chart.
    fn metric<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<MetricView, ConsoleError>>;

    /// The lines of a metric's chart, at most `max_points` a line.
    fn range<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
        range: TimeRange,
        max_points: u32,
    ) -> BoxFuture<'a, Result<RangeView, ConsoleError>>;

    /// The last changes of band of a metric, the newest first.
    fn transitions<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<TransitionView>, ConsoleError>>;

    /// The nodes of the watched database together, as they were at most a second ago. One that does not answer is part of
    /// the answer.
    fn topology<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<TopologyView, ConsoleError>>;

    /// The sessions of a node of the watched database, as they were at most a second ago.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when no node of that name is configured, or none at all;
    /// [`ConsoleError::Unavailable`] when the node does not answer.
    fn database_sessions<'a>(
        &'a self,
        subject: &'a Subject,
        filter: &'a SessionFilter,
    ) -> BoxFuture<'a, Result<DatabaseSessionsView, ConsoleError>>;

    /// Backups, and to which instants they let one return.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when none are configured.
    fn backups<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<BackupsView, ConsoleError>>;

    /// A run that made a backup, or tried to.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none of that id.
    fn backup_run<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<RunPageView, ConsoleError>>;

    /// A copy that is kept, by its name in the store.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none of that name.
    fn backup_copy<'a>(
        &'a self,
        subject: &'a Subject,
        name: &'a str,
    ) -> BoxFuture<'a, Result<CopyPageView, ConsoleError>>;

    /// The subject's own sessions, the newest first.
    fn sessions<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Vec<SessionView>, ConsoleError>>;

    /// The subject's own API tokens, the newest first, and what a new one can be given.
    fn api_tokens<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<ApiTokensView, ConsoleError>>;

    /// A runbook that the console carries with it.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when it carries none of that name.
    fn runbook(&self, subject: &Subject, name: &str) -> Result<RunbookView, ConsoleError>;

    /// A page of a search in the audit log.
    fn audit_page<'a>(
        &'a self,
        subject: &'a Subject,
        search: &'a Search,
    ) -> BoxFuture<'a, Result<AuditPageView, ConsoleError>>;

    /// One row of the audit log, with what proves it.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none of that number.
    fn audit_entry<'a>(
        &'a self,
        subject: &'a Subject,
        seq: u64,
    ) -> BoxFuture<'a, Result<AuditEntryView, ConsoleError>>;

    /// Maintenance mode, from memory: every page shows whether it is on. `None` where it is not this console's business.
    fn maintenance(&self, subject: &Subject) -> Result<Option<MaintenanceView>, ConsoleError>;

    /// The nodes of the watched database that take writes at once, from memory; every page shows them. `None` while the cluster is
    /// whole.
    fn split(&self, subject: &Subject) -> Result<Option<SplitView>, ConsoleError>;

    /// `(id, title)` of all metrics in order, for navigation and the command palette.
    fn metric_index(&self) -> Vec<(String, String)>;

    /// Name of the system that is watched.
    fn title(&self) -> String;

    /// Now, Unix ms: pages take time from here and from nowhere else.
    fn now_ms(&self) -> i64;
}

/// [`Console`] as it is put into the context.
pub type ConsoleHandle = Arc<dyn Console>;

/// Colours: the system's choice, or the person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

impl Theme {
    /// The name used in the cookie, the form and the `data-theme` attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    /// Reads the name back; anything else is the system's choice.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "dark" => Self::Dark,
            "light" => Self::Light,
            _ => Self::System,
        }
    }
}

/// What a page needs to know of the request that it answers.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Who asks; `None` when signed out.
    pub subject: Option<Subject>,
    /// The name shown in the account menu.
    pub display_name: String,
    /// An API token that was just made: shown on this page, and never again.
    pub new_token: Option<String>,
    /// The value of the hidden `csrf` field of every form on the page.
    pub csrf_token: String,
    /// The chosen colours.
    pub theme: Theme,
    /// Path and query of the request, for links that lead back.
    pub path_and_query: String,
    /// Trace id of the request, shown on error pages so that it can be found in the log.
    pub trace_id: String,
    /// Whether the demo's accounts are to be named on the sign-in page.
    pub demo: bool,
    /// Path of the style sheet, whose name holds its hash.
    pub stylesheet: String,
}
