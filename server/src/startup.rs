//! Wires everything: the same for the binary and the tests.

mod router;

use std::{future::IntoFuture, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use leptos::config::LeptosOptions;
use quarterdeck_app::view::health::OverviewView;
use sqlx::PgPool;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    clients::{
        AlertmanagerClient, DatabaseSessions, PostgresNode, PrometheusClient, backup_programs::Target,
        cluster_node::ClusterNode, mailer::Mailer, webhook::Webhook,
    },
    clock::Clock,
    config::{
        Config,
        backups::{BackupsConfig, DrillConfig},
    },
    db,
    entropy::Entropy,
    http::{assets::AssetNames, auth::AuthState, doors::Door, state::AppState},
    services::{
        actions::{
            Actions, ActionsParts, Emergency, Handler, Handlers,
            kinds::{
                maintenance::MaintenanceHandler, primary, retention::RetentionHandler,
                sessions::SessionsHandler,
            },
        },
        audit::{AuditLog, EventMaker, Recorder},
        backups::{
            drills::{Drills, DrillsParts},
            pins::Pins,
            retention::OldBackups,
            runs::{Runs, RunsParts},
            verification::Verifications,
            watch::{BackupWatch, BackupWatchParts},
        },
        cluster::WatchedCluster,
        console::ConsoleService,
        database::WatchedSessions,
        failover::{Failover, FailoverParts},
        health::{charts::Charts, engine::Engine, hub::Hub},
        identity::{Identity, IdentityParts, Limiter, Passwords},
        maintenance::{Maintenance, MaintenanceParts},
        notices::Channels,
    },
    telemetry::metrics::Metrics,
    workers::{
        announcements, backup_watch, backups as backup_making, cluster, database_host, drills, emergency,
        executor,
        leadership::{self, Leadership},
        maintenance,
        notifier::{Notifier, Way},
        poller::{Poller, PollerInputs, PollerParts},
        relay::{self, Relay},
    },
};

/// A console that is wired and not yet serving.
#[derive(Debug)]
pub struct Console {
    /// What handlers share.
    pub state: AppState,
    /// Every way in.
    pub doors: Vec<Door>,
    router: Router,
    workers: JoinSet<()>,
    stop: CancellationToken,
}

impl Console {
    /// Wires a console and starts its workers. Nothing that may be down has to be up for it: what does not answer is
    /// tried again. The schema must be there already, or be migrated later.
    ///
    /// # Errors
    /// For settings that cannot be used; the text names them.
    pub async fn start(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let profile = Arc::new(config.profile.load()?);
        let hosts = Arc::new(db::runtime_hosts(&config.database)?);
        let pool = db::pool_of(&hosts, &config.database);
        let prometheus = PrometheusClient::new(&config.prometheus).context("[prometheus]")?;
        let alertmanager = config
            .alertmanager
            .as_ref()
            .map(AlertmanagerClient::new)
            .transpose()
            .context("[alertmanager]")?;
        let nodes = config
            .postgres
            .iter()
            .map(PostgresNode::new)
            .collect::<Result<Vec<_>, _>>()?;
        let sessions = nodes
            .iter()
            .map(|node| DatabaseSessions::new(node.connection()))
            .collect();
        let database = WatchedSessions::new(sessions, config.database_sessions.clone(), Arc::clone(&clock));
        let sights = nodes
            .iter()
            .map(|node| ClusterNode::new(node.connection()))
            .collect();
        let watched = Arc::new(WatchedCluster::new(sights, Arc::clone(&clock)));
        let channels = Channels {
            webhook: config.webhook.is_some(),
            email: config.email.is_some(),
        };
        let failover = match &config.failover {
            None => None,
            Some(section) => Some(Arc::new(Failover::new(FailoverParts {
                config: section.clone(),
                nodes: &config.postgres,
                cluster: Arc::clone(&watched),
                prometheus: prometheus.clone(),
                pool: pool.clone(),
                channels,
                concerned: config
                    .policy
                    .may_request(&quarterdeck_domain::action::ActionKind::CHANGING_PRIMARY),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
            })?)),
        };
        let backups = match &config.backups {
            None => None,
            Some(section) => Some(Arc::new(BackupWatch::new(BackupWatchParts {
                config: section.clone(),
                nodes: nodes.iter().map(PostgresNode::connection).collect(),
                cluster: Arc::clone(&watched),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
            })?)),
        };
        let relay = config.redis.as_ref().map(Relay::new).transpose()?;
        let metrics = Metrics::new();
        let stop = CancellationToken::new();
        let mut workers = JoinSet::new();
        database_host::run(Arc::clone(&hosts), pool.clone(), stop.clone(), &mut workers).await;

        let (recorder, recording) = Recorder::start(pool.clone());
        let events = EventMaker::new(Arc::clone(&clock), Arc::clone(&entropy));
        let audit = AuditLog::new(pool.clone(), recorder.clone(), events);
        let limiter_redis = match &config.redis {
            Some(redis) => Some((redis.connection()?, redis.prefix.as_str())),
            None => None,
        };
        let limiter = Limiter::new(limiter_redis, Arc::clone(&clock), &config.identity);
        let identity = Arc::new(Identity::new(IdentityParts {
            pool: pool.clone(),
            recorder,
            passwords: Passwords::new(config.identity.password_checks, Arc::clone(&entropy))?,
            limiter,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            config: config.identity.clone(),
        }));
        if let Err(error) = identity.load().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "accounts can't be read yet; trying on"
            );
        }
        workers.spawn({
            let (identity, stop) = (Arc::clone(&identity), stop.clone());
            async move { identity.run(stop).await }
        });
        workers.spawn(async move {
            // Ends by itself when the last who could record is gone.
            let _ = recording.await;
        });

        let maintenance = match &config.maintenance {
            None => None,
            Some(section) => Some(Arc::new(Maintenance::new(MaintenanceParts {
                config: section.clone(),
                alertmanager: alertmanager.clone(),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                public_url: config.server.public_url.to_string(),
                policy: config.policy.clone(),
                channels,
            })?)),
        };
        let old_backups = backups.as_ref().map(|backups| {
            let events = EventMaker::new(Arc::clone(&clock), Arc::clone(&entropy));
            Arc::new(OldBackups::new(Arc::clone(backups), pool.clone(), events))
        });
        let actions = Arc::new(Actions::new(ActionsParts {
            pool: pool.clone(),
            identity: Arc::clone(&identity),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            policy: config.policy.clone(),
            handlers: handlers(
                &config,
                &nodes,
                maintenance.as_ref(),
                failover.as_ref(),
                old_backups,
            ),
            channels,
        }));
        for (way, max_attempts) in ways(&config)? {
            let notifier = Notifier {
                pool: pool.clone(),
                way,
                max_attempts,
                public_url: config.server.public_url.clone(),
                clock: Arc::clone(&clock),
            };
            workers.spawn(notifier.run(stop.clone()));
        }
        workers.spawn(executor::run(Arc::clone(&actions), stop.clone()));
        let journal = config.journal.as_ref().map(|section| section.path.clone());
        let emergency = Arc::new(Emergency::new(Arc::clone(&actions), journal));
        workers.spawn(emergency::run(Arc::clone(&emergency), stop.clone()));
        let initial = first_view(&config, &profile, relay.as_ref()).await;
        let hub = Arc::new(Hub::new(initial, &config.push));
        workers.spawn(announcements::run(
            pool.clone(),
            Arc::clone(&actions),
            Arc::clone(&hub),
            stop.clone(),
        ));
        let (told, leadership) = watch::channel(Leadership::Unelected);
        let (heard, snapshots) = mpsc::channel(4);
        // Who leads is settled before the first poll where it can be, so that a follower does not begin by polling.
        workers.spawn(leadership::run(
            hosts,
            config.poller.election(),
            told,
            stop.clone(),
        ));
        if let Some(failover) = &failover {
            workers.spawn(cluster::run(
                Arc::clone(failover),
                Arc::clone(&hub),
                leadership.clone(),
                stop.clone(),
            ));
        }
        if let Some(maintenance) = &maintenance {
            let maintenance = Arc::clone(maintenance);
            workers.spawn(maintenance::run(
                maintenance,
                Arc::clone(&hub),
                leadership.clone(),
                stop.clone(),
            ));
        }
        let drills = match (&config.backups, &backups) {
            (Some(section), Some(backups)) => match &section.drill {
                Some(drill) => Some(drills_of(
                    &config, section, drill, backups, &pool, &clock, &entropy, &stop,
                )?),
                None => None,
            },
            _ => None,
        };
        if let Some(drills) = &drills {
            workers.spawn(drills::run(Arc::clone(drills), leadership.clone(), stop.clone()));
        }
        if let Some(backups) = &backups {
            workers.spawn(backup_watch::run(
                Arc::clone(backups),
                Arc::clone(&metrics.recoverability),
                leadership.clone(),
                stop.clone(),
            ));
        }
        let backup_runs = match &config.backups {
            None => None,
            Some(section) => {
                let runs = Arc::new(
                    Runs::new(RunsParts {
                        config: section.clone(),
                        nodes: &config.postgres,
                        cluster: Arc::clone(&watched),
                        pool: pool.clone(),
                        clock: Arc::clone(&clock),
                        entropy: Arc::clone(&entropy),
                        stop: stop.clone(),
                    })
                    .context("[backups]")?,
                );
                let verifications = Arc::new(
                    Verifications::new(
                        section.clone(),
                        pool.clone(),
                        Arc::clone(&clock),
                        Arc::clone(&entropy),
                        stop.clone(),
                    )
                    .context("[backups]")?,
                );
                workers.spawn(backup_making::run(
                    Arc::clone(&runs),
                    Arc::clone(&verifications),
                    Arc::clone(&clock),
                    leadership.clone(),
                    stop.clone(),
                ));
                Some((runs, verifications))
            }
        };
        if let Some(redis) = &config.redis {
            workers.spawn(relay::listen(redis.clone(), heard, stop.clone()));
        }
        let poller = Poller::new(PollerParts {
            profile: Arc::clone(&profile),
            prometheus: prometheus.clone(),
            alertmanager,
            cluster: Arc::clone(&watched),
            pool: pool.clone(),
            relay,
            hub: Arc::clone(&hub),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            config: config.poller,
            push: config.push,
            runbook_url: config.server.runbook_url.clone(),
        });
        workers.spawn(poller.run(PollerInputs {
            leadership,
            snapshots,
            stop: stop.clone(),
        }));

        let names = AssetNames::embedded();
        if names.is_none() {
            tracing::warn!(
                "this binary holds no front end: pages come without style and script; run `cargo xtask front` and build again"
            );
        }
        let names = names.unwrap_or(AssetNames {
            output_name: "quarterdeck".to_owned(),
            stylesheet: "/pkg/quarterdeck.css".to_owned(),
        });
        let auth = AuthState::new(
            Arc::clone(&identity),
            config.server.public_url.clone(),
            &config.identity.trusted_proxies,
        );
        let console = Arc::new(ConsoleService {
            hub: Arc::clone(&hub),
            charts: Charts::new(prometheus, pool.clone()),
            database: Arc::new(database),
            cluster: watched,
            failover,
            identity: Arc::clone(&identity),
            audit,
            actions,
            emergency,
            maintenance,
            pins: backups.as_ref().map(|watch| {
                Pins::new(
                    Arc::clone(watch),
                    EventMaker::new(Arc::clone(&clock), Arc::clone(&entropy)),
                )
            }),
            backups,
            drills,
            backup_runs,
            profile,
            clock: Arc::clone(&clock),
            grafana_url: config.server.grafana_url.clone(),
            runbook_url: config.server.runbook_url.clone(),
        });
        let leptos = LeptosOptions::builder()
            .output_name(names.output_name)
            .site_pkg_dir("pkg")
            .site_addr(config.server.listen)
            .build();
        let state = AppState {
            config: Arc::new(config),
            console,
            hub,
            auth,
            identity,
            pool,
            metrics,
            clock,
            entropy,
            leptos,
            stylesheet: names.stylesheet.into(),
            stop: stop.clone(),
        };
        let (router, doors) = router::router(&state);
        Ok(Self {
            state,
            doors,
            router,
            workers,
            stop,
        })
    }

    /// The router, for tests that call it without a socket.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `until` is done, then lets open requests finish for as long as the configuration allows, and stops
    /// the workers: the poller's lock is given back, so that another replica takes over at once.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        use axum::serve::ListenerExt;
        let drain = Duration::from_secs(self.state.config.server.drain_s);
        // Without it a streamed page waits 40 ms for an acknowledgement.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        let stopping = self.stop.clone();
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        let server =
            axum::serve(listener, service).with_graceful_shutdown(async move { stopping.cancelled().await });
        // Whoever drops this future, as a test does that kills the console, ends the server with it.
        let mut server = AbortOnDropHandle::new(tokio::spawn(server.into_future()));
        tokio::select! {
            () = until => {}
            ended = &mut server => {
                ended??;
                anyhow::bail!("the server ended by itself");
            }
        }
        tracing::info!(drain_s = drain.as_secs(), "stopping: open requests may finish");
        self.stop.cancel();
        if tokio::time::timeout(drain, server).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
        // What remains to be recorded is recorded, unless the database is away.
        drop(self.state);
        let finish = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), finish)
            .await
            .is_err()
        {
            tracing::warn!("some workers did not finish in time and were cut off");
        }
        tracing::info!("stopped");
        Ok(())
    }

    /// Stops the workers without serving; for tests.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        drop(self.router);
        drop(self.state);
        let finish = async { while self.workers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), finish).await;
    }
}

/// By what ways messages go, and how often each is tried.
fn ways(config: &Config) -> anyhow::Result<Vec<(Way, u32)>> {
    let mut ways = Vec::new();
    if let Some(section) = &config.webhook {
        let webhook = Webhook::new(section).context("[webhook]")?;
        ways.push((Way::Webhook(webhook), section.max_attempts));
    }
    if let Some(section) = &config.email {
        let mailer = Mailer::new(section).context("[email]")?;
        ways.push((Way::Email(mailer), section.max_attempts));
    }
    Ok(ways)
}

/// Restore drills, as they are configured.
#[expect(clippy::too_many_arguments, reason = "what a console is wired of")]
fn drills_of(
    config: &Config,
    section: &BackupsConfig,
    drill: &DrillConfig,
    backups: &Arc<BackupWatch>,
    pool: &PgPool,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<Drills>> {
    let targets = config
        .postgres
        .iter()
        .filter_map(|node| Target::new(node, &section.database).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    let parts = DrillsParts {
        watch: Arc::clone(backups),
        config: drill.clone(),
        targets,
        pool: pool.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        events: EventMaker::new(Arc::clone(clock), Arc::clone(entropy)),
        host: format!(
            "{}:{}",
            rustix::system::uname().nodename().to_string_lossy(),
            std::process::id()
        ),
    };
    Ok(Arc::new(Drills::new(parts, stop.clone())))
}

/// What this installation can do: the kinds of actions whose means are configured.
fn handlers(
    config: &Config,
    nodes: &[PostgresNode],
    maintenance: Option<&Arc<Maintenance>>,
    failover: Option<&Arc<Failover>>,
    old_backups: Option<Arc<OldBackups>>,
) -> Handlers {
    let sessions = nodes
        .iter()
        .map(|node| DatabaseSessions::new(node.connection()))
        .collect::<Vec<_>>();
    let rules = config.database_sessions.rules();
    Handlers {
        sessions: if sessions.is_empty() {
            Err("no database node is configured, see [[postgres]] in the example configuration".to_owned())
        } else {
            Ok(Arc::new(SessionsHandler::new(
                sessions,
                rules,
                config.database_sessions.redact_literals,
            )))
        },
        maintenance: match maintenance {
            Some(maintenance) => Ok(Arc::new(MaintenanceHandler::new(Arc::clone(maintenance))) as Arc<dyn Handler>),
            None => Err(
                "how maintenance mode is switched is not configured, see [maintenance] in the example configuration".to_owned(),
            ),
        },
        retention: match old_backups {
            Some(backups) => Ok(Arc::new(RetentionHandler::new(backups)) as Arc<dyn Handler>),
            None => Err("backups are not configured, see [backups] in the example configuration".to_owned()),
        },
        primary: match failover {
            Some(failover) => Ok(primary::handler(Arc::clone(failover))),
            None => Err(
                "how the primary is changed is not configured, see [failover] in the example configuration".to_owned(),
            ),
        },
    }
}

/// What is shown before the first poll: another replica's last snapshot if there is one, otherwise that nothing is known.
async fn first_view(
    config: &Config,
    profile: &Arc<quarterdeck_domain::health::Profile>,
    relay: Option<&Relay>,
) -> OverviewView {
    let empty = Engine::new(Arc::clone(profile), config.poller.interval_ms).view("start".to_owned());
    let Some(relay) = relay else { return empty };
    match relay::last_published(relay).await {
        // One of another profile, or of another version of this one, is of no use.
        Ok(Some(view)) if view.tiles().map(|t| &t.id).eq(empty.tiles().map(|t| &t.id)) => view,
        Ok(Some(_) | None) | Err(_) => empty,
    }
}
