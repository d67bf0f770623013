//! Maintenance mode: what is known of it, looking at it, and writing down what is about to be switched.
//!
//! The truth is what stands in the places that the driver reads, and what the probes see from outside. The console's
//! table keeps who, why and until when; the memory of each replica keeps what pages show.

mod look;
mod silences;
mod views;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use quarterdeck_domain::{
    access::Role,
    action::{ActionKind, Policy},
    maintenance::{Held, Known, Mode, Seen, Sight, Switching},
};
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    clients::{
        AlertmanagerClient,
        maintenance::{self as means, Driver, Probes},
    },
    clock::Clock,
    config::maintenance::MaintenanceConfig,
    db::{self, DbError, maintenance::Look},
    entropy::Entropy,
    services::{audit::EventMaker, notices::Channels},
};

pub use silences::{Ended, SilenceError};

/// How long the database may take.
const DB_LIMIT: Duration = Duration::from_secs(5);

/// What [`Maintenance`] works with.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct MaintenanceParts {
    pub config: MaintenanceConfig,
    pub alertmanager: Option<AlertmanagerClient>,
    pub pool: PgPool,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// What browsers call the console: silences bear it, so that two consoles with one Alertmanager tell theirs apart.
    pub public_url: String,
    /// Who may ask for maintenance mode: they are told when somebody else has switched it, and when it overruns.
    pub policy: Policy,
    /// By which ways people are told besides in the console.
    pub channels: Channels,
}

/// What is known, in memory.
#[derive(Debug, Clone, Default)]
struct Present {
    known: Known,
    look: Option<Look>,
}

/// Maintenance mode of the one service.
#[derive(Debug)]
pub struct Maintenance {
    driver: Box<dyn Driver>,
    probes: Probes,
    alertmanager: Option<AlertmanagerClient>,
    config: MaintenanceConfig,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    events: EventMaker,
    created_by: String,
    concerned: Vec<Role>,
    channels: Channels,
    present: ArcSwap<Present>,
}

impl Maintenance {
    /// Prepares; nothing is asked yet.
    ///
    /// # Errors
    /// For settings that cannot be used; the text names them.
    pub fn new(parts: MaintenanceParts) -> anyhow::Result<Self> {
        Ok(Self {
            driver: means::driver(&parts.config)?,
            probes: Probes::new(&parts.config)?,
            events: EventMaker::new(Arc::clone(&parts.clock), parts.entropy),
            created_by: format!("quarterdeck at {}", parts.public_url),
            alertmanager: parts.alertmanager,
            config: parts.config,
            pool: parts.pool,
            clock: parts.clock,
            concerned: parts
                .policy
                .may_request(&[ActionKind::MaintenanceOn, ActionKind::MaintenanceOff]),
            channels: parts.channels,
            present: ArcSwap::default(),
        })
    }

    /// The means of switching.
    pub fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    /// Its settings.
    pub const fn config(&self) -> &MaintenanceConfig {
        &self.config
    }

    /// The time.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Asks the probes.
    pub async fn look_from_outside(&self) -> Vec<Sight> {
        self.probes.look().await
    }

    /// The number of a maintenance action that is being executed.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn executing(&self) -> Result<Option<i64>, DbError> {
        let kinds = [ActionKind::MaintenanceOn, ActionKind::MaintenanceOff];
        db::within(DB_LIMIT, db::actions::executing(&self.pool, &kinds)).await
    }

    /// The maintenance that is on, or was being switched on, as the table has it.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn held(&self) -> Result<Option<Held>, DbError> {
        let known = db::within(DB_LIMIT, db::maintenance::read(&self.pool))
            .await?
            .known()?;
        Ok(known
            .held
            .or(known.switching.and_then(|switching| switching.held)))
    }

    /// Writes down that an action is about to switch the mode. What then comes about is its doing.
    ///
    /// # Errors
    /// That it can't be written down: then nothing must be switched.
    pub async fn about_to(&self, switching: Switching) -> Result<(), DbError> {
        let at = self.clock.now();
        self.change(|known| Some(known.about_to(switching, at))).await
    }

    /// Writes down that an action has switched the mode. Where that fails, the next look finds it.
    pub async fn switched(&self, action: Uuid, mode: Mode) {
        let at = self.clock.now();
        let written = self.change(|known| {
            let mine = known
                .switching
                .as_ref()
                .is_some_and(|switching| switching.action == action);
            match known.see(mode, true, at) {
                Seen::Noted(now) if mine => Some(now),
                Seen::Noted(_) | Seen::Nothing | Seen::Elsewhere { .. } => None,
            }
        });
        if let Err(error) = written.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the mode could not be written down; the next look does it"
            );
        }
    }

    /// Writes down that an action is through without having switched anything.
    pub async fn gave_up(&self, action: Uuid) {
        let at = self.clock.now();
        let written = self.change(|known| {
            let mine = known
                .switching
                .as_ref()
                .is_some_and(|switching| switching.action == action);
            mine.then(|| Known {
                switching: None,
                changed_at: Some(at),
                ..known.clone()
            })
        });
        if let Err(error) = written.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was not done could not be written down; the next look does it"
            );
        }
    }

    /// Changes what is known, and remembers it.
    async fn change(&self, change: impl FnOnce(&Known) -> Option<Known> + Send) -> Result<(), DbError> {
        let row = db::within(DB_LIMIT, async {
            let mut transaction = self.pool.begin().await?;
            let row = db::maintenance::lock(&mut transaction).await?;
            if let Some(now) = change(&row.known()?) {
                db::maintenance::write(&mut transaction, &now).await?;
            }
            transaction.commit().await?;
            db::maintenance::read(&self.pool).await
        })
        .await?;
        self.remember(row.known()?, row.look.map(|look| look.0));
        Ok(())
    }

    fn remember(&self, known: Known, look: Option<Look>) {
        self.present.store(Arc::new(Present { known, look }));
    }

    /// Takes over what the table has: what another replica has seen or done.
    ///
    /// # Errors
    /// That the database is away; then what was known stays.
    pub async fn refresh(&self) -> Result<(), DbError> {
        let row = db::within(DB_LIMIT, db::maintenance::read(&self.pool)).await?;
        self.remember(row.known()?, row.look.map(|look| look.0));
        Ok(())
    }
}
