//! The server's side of the pages' port: decide, then answer.

mod actions;
mod backup_forms;
mod backup_runs;
mod recoverability;

use std::sync::Arc;

use quarterdeck_app::{
    error::ConsoleError,
    ports::{BoxFuture, Console},
    view::{
        account::SessionView,
        api_token::{ApiTokenView, ApiTokensView, ScopeView, TokenStateView},
        audit::{AuditEntryView, AuditPageView},
        backup::{BackupsView, CopyPageView, RunPageView},
        database::{DatabaseSessionsView, SessionFilter},
        health::{MetricView, OverviewView, RangeView, RuleView, TransitionView},
        maintenance::MaintenanceView,
        runbook::RunbookView,
        topology::{SplitView, TopologyView},
    },
};
use quarterdeck_domain::{
    access::{Delegation, Permission, Subject},
    audit::{Filter, Search},
    chart::TimeRange,
    health::{MetricSpec, Profile},
};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{
    actions::{Actions, Emergency},
    audit::{AuditLog, Origin, Selection},
    backups::{drills::Drills, pins::Pins, runs::Runs, verification::Verifications, watch::BackupWatch},
    cluster::WatchedCluster,
    database::WatchedSessions,
    failover::Failover,
    health::{charts::Charts, hub::Hub},
    identity::{
        Identity,
        api_tokens::{may_be_given, over_since},
    },
    maintenance::Maintenance,
    runbooks,
};
use crate::clock::{Clock, unix_ms};
use crate::db::{DbError, api_tokens::ApiTokenRow};

/// What pages and the REST API ask.
#[derive(Debug)]
pub struct ConsoleService {
    /// The present state.
    pub hub: Arc<Hub>,
    /// Charts, rules, histories.
    pub charts: Charts,
    /// Sessions of the watched database.
    pub database: Arc<WatchedSessions>,
    /// The nodes of the watched database, together.
    pub cluster: Arc<WatchedCluster>,
    /// Changing its primary, if that is configured.
    pub failover: Option<Arc<Failover>>,
    /// Accounts and sessions.
    pub identity: Arc<Identity>,
    /// The audit log, for reading.
    pub audit: AuditLog,
    /// Guarded actions.
    pub actions: Arc<Actions>,
    /// Acting without the console's own database.
    pub emergency: Arc<Emergency>,
    /// Maintenance mode, where it is this console's business.
    pub maintenance: Option<Arc<Maintenance>>,
    /// Backups, where they are this console's business.
    pub backups: Option<Arc<BackupWatch>>,
    /// Pins of kept copies, where backups are configured.
    pub pins: Option<Pins>,
    /// Restore drills, where they are configured.
    pub drills: Option<Arc<Drills>>,
    /// Making backups and reading kept ones again, where that is this console's business.
    pub backup_runs: Option<(Arc<Runs>, Arc<Verifications>)>,
    /// What is watched.
    pub profile: Arc<Profile>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where Grafana is.
    pub grafana_url: Option<Url>,
    /// Where runbooks named by a relative path are.
    pub runbook_url: Option<Url>,
}

/// The console as one request asks it: what it refuses is recorded with where the request came from.
#[derive(Debug, Clone)]
pub struct AskedConsole {
    service: Arc<ConsoleService>,
    origin: Origin,
    asked_for: String,
}

impl AskedConsole {
    /// Asks the one function that decides and records, and words its refusal.
    ///
    /// # Errors
    /// [`ConsoleError::Refused`].
    pub fn allow(&self, subject: &Subject, permission: Permission) -> Result<(), ConsoleError> {
        self.service
            .identity
            .authorize(subject, permission, &self.asked_for, &self.origin)
            .map_err(|refusal| {
                ConsoleError::Refused(format!(
                    "This is not allowed ({}): {refusal}.",
                    permission.as_str()
                ))
            })
    }
}

impl AskedConsole {
    /// Records that rows of the audit log are taken away as a file, and only then gives them.
    ///
    /// # Errors
    /// [`ConsoleError::Refused`], and [`ConsoleError::Unavailable`] when it can't be recorded: then nothing is given.
    pub async fn export_audit(
        &self,
        subject: &Subject,
        filter: Filter,
        format: &'static str,
    ) -> Result<Selection, ConsoleError> {
        self.allow(subject, Permission::ExportAudit)?;
        let audit = &self.service.audit;
        audit
            .export(subject, &self.origin, filter, format)
            .await
            .map_err(|refused| {
                tracing::error!(
                    error = &refused as &dyn std::error::Error,
                    "the audit log was not exported"
                );
                ConsoleError::Unavailable(
                    "Nothing was exported: the console's own database does not take the record of it, and without a \
                     record nothing leaves. Try again in a moment."
                        .to_owned(),
                )
            })
    }
}

impl ConsoleService {
    /// The console for a request that came from `origin` and asked for a path.
    #[must_use]
    pub fn asked_by(self: &Arc<Self>, origin: Origin, asked_for: String) -> AskedConsole {
        AskedConsole {
            service: Arc::clone(self),
            origin,
            asked_for,
        }
    }

    fn spec(&self, id: &str) -> Result<&MetricSpec, ConsoleError> {
        self.profile.metric(id).ok_or_else(|| {
            ConsoleError::NotFound(format!(
                "There is no metric {id:?} in the profile {}. The overview lists those that are watched.",
                self.profile.id()
            ))
        })
    }
}

impl Console for AskedConsole {
    fn overview(&self, subject: &Subject) -> Result<OverviewView, ConsoleError> {
        self.allow(subject, Permission::ViewHealth)?;
        Ok(OverviewView::clone(&self.service.hub.present()))
    }

    fn last_event_id(&self) -> String {
        self.service.hub.present().event_id.clone()
    }

    fn metric<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<MetricView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewHealth)?;
            let spec = self.service.spec(id)?;
            let present = self.service.hub.present();
            let (group, tile) = present
                .groups
                .iter()
                .find_map(|g| Some((g.title.clone(), g.tiles.iter().find(|t| t.id == id)?.clone())))
                .ok_or_else(|| ConsoleError::NotFound(format!("There is no metric {id:?}.")))?;
            let rule = match &spec.rule {
                Some(name) => Some(RuleView {
                    name: name.clone(),
                    loaded: self.service.charts.rule(name).await,
                }),
                None => None,
            };
            let grafana_url = match (&self.service.grafana_url, spec.grafana) {
                // The uid that deploy/grafana/prepare-dashboard.mjs gives.
                (Some(base), Some(id)) => base
                    .join(&format!("d/{}-{id}", self.service.profile.id()))
                    .ok()
                    .map(Url::into),
                (None, Some(id)) => Some(format!("https://grafana.com/grafana/dashboards/{id}")),
                (Some(_) | None, None) => None,
            };
            Ok(MetricView {
                tile,
                group,
                description: spec.description.clone(),
                kind: spec.kind,
                query: spec.query.clone(),
                freshness: spec.freshness.clone(),
                series_label: spec.series_label.clone(),
                stale_after_s: spec.stale_after.as_secs(),
                raise_after_s: spec.debounce.raise_after.as_secs(),
                clear_after_s: spec.debounce.clear_after.as_secs(),
                rule,
                runbook: spec
                    .runbook
                    .as_deref()
                    .map(|named| runbooks::link(named, self.service.runbook_url.as_ref())),
                grafana_url,
                event_id: present.event_id.clone(),
                poll_interval_ms: present.poll_interval_ms,
            })
        })
    }

    fn range<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
        range: TimeRange,
        max_points: u32,
    ) -> BoxFuture<'a, Result<RangeView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewHealth)?;
            let range = self
                .service
                .charts
                .range(self.service.spec(id)?, range, max_points)
                .await?;
            Ok(RangeView::clone(&range))
        })
    }

    fn transitions<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<TransitionView>, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewHealth)?;
            self.service.spec(id)?;
            self.service.charts.transitions(id, limit).await
        })
    }

    fn topology<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<TopologyView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewDatabase)?;
            let mut view = self.service.cluster.topology().await;
            if let Some(failover) = &self.service.failover {
                view.clients = Some(failover.clients().await);
                view.fences = failover.fences();
            }
            Ok(view)
        })
    }

    fn database_sessions<'a>(
        &'a self,
        subject: &'a Subject,
        filter: &'a SessionFilter,
    ) -> BoxFuture<'a, Result<DatabaseSessionsView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewDatabase)?;
            let present = self.service.hub.present();
            self.service.database.view(filter, &present.databases).await
        })
    }

    fn backups<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<BackupsView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewBackups)?;
            let backups = self.service.backups.as_ref().ok_or_else(no_backups)?;
            Ok(backups.view().await)
        })
    }

    fn backup_run<'a>(
        &'a self,
        subject: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<RunPageView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewBackups)?;
            let backups = self.service.backups.as_ref().ok_or_else(no_backups)?;
            let none = || {
                ConsoleError::NotFound(format!(
                    "There is no run {id:?}. The page of backups lists the last ones."
                ))
            };
            let id = Uuid::parse_str(id).map_err(|_| none())?;
            let page = backups.run_page(id, self.service.clock.now()).await;
            page.map_err(|error| not_read(&error))?.ok_or_else(none)
        })
    }

    fn backup_copy<'a>(
        &'a self,
        subject: &'a Subject,
        name: &'a str,
    ) -> BoxFuture<'a, Result<CopyPageView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewBackups)?;
            let backups = self.service.backups.as_ref().ok_or_else(no_backups)?;
            let page = backups.copy_page(name).await;
            page.map_err(|error| not_read(&error))?.ok_or_else(|| {
                ConsoleError::NotFound(format!(
                    "No copy {name:?} is kept. It may have been deleted because it was old; the page of backups lists those that are \
                     kept."
                ))
            })
        })
    }

    fn sessions<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Vec<SessionView>, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewOwnSessions)?;
            let sessions = self.service.identity.own_sessions(subject).await.map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "sessions could not be listed");
                ConsoleError::Unavailable(
                    "Your sessions can't be listed: the console's own database does not answer. They are not affected.".into(),
                )
            })?;
            Ok(sessions
                .into_iter()
                .map(|session| SessionView {
                    id: session.id.to_string(),
                    current: session.is_this,
                    user_agent: session.user_agent,
                    address: session.address.unwrap_or_default(),
                    created_at_ms: unix_ms(session.created_at),
                    last_seen_at_ms: unix_ms(session.last_seen_at),
                })
                .collect())
        })
    }

    fn api_tokens<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<ApiTokensView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewOwnTokens)?;
            let identity = &self.service.identity;
            let rows = identity.own_tokens(subject).await.map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "API tokens could not be listed");
                ConsoleError::Unavailable(
                    "Your API tokens can't be listed: the console's own database does not answer, and while it doesn't, \
                     no token works."
                        .into(),
                )
            })?;
            let now = self.service.clock.now();
            Ok(ApiTokensView {
                new_id: identity.new_id().to_string(),
                tokens: rows.into_iter().map(|row| token_view(row, now)).collect(),
                max_days: identity.token_max_days(),
                scopes: Permission::ALL
                    .iter()
                    .filter(|permission| may_be_given(subject, **permission))
                    .filter_map(|permission| match permission.delegation() {
                        Delegation::ToTokens(words) => Some(ScopeView {
                            name: permission.as_str().to_owned(),
                            words: words.to_owned(),
                        }),
                        Delegation::PersonOnly => None,
                    })
                    .collect(),
            })
        })
    }

    fn runbook(&self, subject: &Subject, name: &str) -> Result<RunbookView, ConsoleError> {
        self.allow(subject, Permission::ViewHealth)?;
        runbooks::read(name).ok_or_else(|| {
            ConsoleError::NotFound(format!(
                "The console carries no runbook {name:?}. The page of each metric links to its own."
            ))
        })
    }

    fn audit_page<'a>(
        &'a self,
        subject: &'a Subject,
        search: &'a Search,
    ) -> BoxFuture<'a, Result<AuditPageView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewAudit)?;
            self.service.audit.page(search).await
        })
    }

    fn audit_entry<'a>(
        &'a self,
        subject: &'a Subject,
        seq: u64,
    ) -> BoxFuture<'a, Result<AuditEntryView, ConsoleError>> {
        Box::pin(async move {
            self.allow(subject, Permission::ViewAudit)?;
            self.service.audit.entry(seq).await
        })
    }

    fn maintenance(&self, subject: &Subject) -> Result<Option<MaintenanceView>, ConsoleError> {
        self.allow(subject, Permission::ViewHealth)?;
        Ok(self
            .service
            .maintenance
            .as_ref()
            .map(|maintenance| maintenance.view()))
    }

    fn split(&self, subject: &Subject) -> Result<Option<SplitView>, ConsoleError> {
        self.allow(subject, Permission::ViewHealth)?;
        Ok(self
            .service
            .failover
            .as_ref()
            .and_then(|failover| failover.split()))
    }

    fn metric_index(&self) -> Vec<(String, String)> {
        self.service
            .profile
            .metrics()
            .iter()
            .map(|m| (m.id.to_string(), m.title.clone()))
            .collect()
    }

    fn title(&self) -> String {
        self.service.profile.title().to_owned()
    }

    fn now_ms(&self) -> i64 {
        unix_ms(self.service.clock.now())
    }
}

fn not_read(error: &DbError) -> ConsoleError {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "what is known of a backup can't be read"
    );
    ConsoleError::Unavailable(
        "What is known of it can't be read: the console's own database does not answer. The page of backups shows what is stored all \
         the same."
            .to_owned(),
    )
}

fn no_backups() -> ConsoleError {
    ConsoleError::NotFound(
        "Backups are not configured. Add a [backups] section to the configuration: it says what is backed up and where it is \
         kept."
            .to_owned(),
    )
}

fn token_view(row: ApiTokenRow, now: OffsetDateTime) -> ApiTokenView {
    let state = match (over_since(&row, now), row.revoked_at) {
        (None, _) => TokenStateView::Works,
        (Some(at), None) => TokenStateView::Expired { at_ms: unix_ms(at) },
        (Some(at), Some(_)) => TokenStateView::Revoked { at_ms: unix_ms(at) },
    };
    ApiTokenView {
        scopes: row
            .scopes()
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect(),
        id: row.id.to_string(),
        name: row.name,
        prefix: row.prefix,
        created_at_ms: unix_ms(row.created_at),
        expires_at_ms: unix_ms(row.expires_at),
        last_used_at_ms: row.last_used_at.map(unix_ms),
        last_used_address: row.last_used_address,
        state,
    }
}
