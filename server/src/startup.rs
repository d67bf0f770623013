//! Wires everything: the same for the binary and the tests.

use std::{future::IntoFuture, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{Router, extract::Request, middleware, routing::get, routing::post};
use leptos::config::LeptosOptions;
use leptos_axum::{LeptosRoutes, generate_route_list};
use quarterdeck_app::{routes::App, shell::shell, view::health::OverviewView};
use quarterdeck_domain::access::Permission;
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower_http::{
    CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer,
    limit::RequestBodyLimitLayer,
};

use crate::{
    clients::{
        AlertmanagerClient, DatabaseSessions, PostgresNode, PrometheusClient, cluster_node::ClusterNode,
        webhook::Webhook,
    },
    clock::Clock,
    config::Config,
    db,
    entropy::Entropy,
    http::{
        actions, api_tokens,
        assets::{self, AssetNames},
        auth::{AuthState, authenticate},
        csrf::refuse_cross_site,
        doors::{Access, Door, Doors},
        events, pages, probes, request, rest,
        security_headers::{Https, security_headers},
        sessions,
        state::AppState,
        theme,
    },
    services::{
        actions::{
            Actions, ActionsParts, Handler, Handlers,
            kinds::{maintenance::MaintenanceHandler, sessions::SessionsHandler},
        },
        audit::{AuditLog, EventMaker, Recorder},
        cluster::WatchedCluster,
        console::ConsoleService,
        database::WatchedSessions,
        health::{charts::Charts, engine::Engine, hub::Hub},
        identity::{Identity, IdentityParts, Limiter, Passwords},
        maintenance::{Maintenance, MaintenanceParts},
    },
    telemetry::metrics::Metrics,
    workers::{
        announcements, executor,
        leadership::{self, Leadership},
        maintenance,
        notifier::Notifier,
        poller::{Poller, PollerInputs, PollerParts},
        relay::{self, Relay},
    },
};

/// The largest body that is read: forms are small.
const BODY_LIMIT: usize = 256 * 1024;

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
        let pool = db::runtime_pool(&config.database)?;
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
        let cluster = nodes
            .iter()
            .map(|node| ClusterNode::new(node.connection()))
            .collect();
        let cluster = WatchedCluster::new(cluster, Arc::clone(&clock));
        let relay = config.redis.as_ref().map(Relay::new).transpose()?;
        let metrics = Metrics::new();
        let stop = CancellationToken::new();
        let mut workers = JoinSet::new();

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

        let channels: Vec<_> = config.webhook.iter().map(|_| "webhook").collect();
        let maintenance = match &config.maintenance {
            None => None,
            Some(section) => Some(Arc::new(Maintenance::new(MaintenanceParts {
                config: section.clone(),
                alertmanager: alertmanager.clone(),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                public_url: config.server.public_url.to_string(),
                channels: channels.clone(),
            })?)),
        };
        let actions = Arc::new(Actions::new(ActionsParts {
            pool: pool.clone(),
            identity: Arc::clone(&identity),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            policy: config.policy.clone(),
            handlers: handlers(&config, &nodes, maintenance.as_ref()),
            channels,
        }));
        if let Some(webhook) = &config.webhook {
            let notifier = Notifier {
                pool: pool.clone(),
                webhook: Webhook::new(webhook).context("[webhook]")?,
                max_attempts: webhook.max_attempts,
                public_url: config.server.public_url.clone(),
                clock: Arc::clone(&clock),
            };
            workers.spawn(notifier.run(stop.clone()));
        }
        workers.spawn(executor::run(Arc::clone(&actions), stop.clone()));

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
        let url = SecretString::from(config.database.url.clone());
        // Who leads is settled before the first poll where it can be, so that a follower does not begin by polling.
        workers.spawn(leadership::run(url, config.poller.election(), told, stop.clone()));
        if let Some(maintenance) = &maintenance {
            let maintenance = Arc::clone(maintenance);
            workers.spawn(maintenance::run(
                maintenance,
                Arc::clone(&hub),
                leadership.clone(),
                stop.clone(),
            ));
        }
        if let Some(redis) = &config.redis {
            workers.spawn(relay::listen(redis.clone(), heard, stop.clone()));
        }
        let poller = Poller::new(PollerParts {
            profile: Arc::clone(&profile),
            prometheus: prometheus.clone(),
            alertmanager,
            nodes,
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
            cluster,
            identity: Arc::clone(&identity),
            audit,
            actions,
            maintenance,
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
            stop: stop.clone(),
        };
        let (router, doors) = router(&state, &names.stylesheet);
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
        let mut server = tokio::spawn(server.into_future());
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

/// What this installation can do: the kinds of actions whose means are configured.
fn handlers(config: &Config, nodes: &[PostgresNode], maintenance: Option<&Arc<Maintenance>>) -> Handlers {
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

/// Builds the router with every layer, and the list of its doors.
fn router(state: &AppState, stylesheet: &str) -> (Router, Vec<Door>) {
    let health = Access::Call(Permission::ViewHealth);
    let (calls, mut doors) = Doors::default()
        .get("/api/v1/health", health, get(rest::health::overview))
        .get("/api/v1/health/{id}", health, get(rest::health::metric))
        .get("/api/v1/health/{id}/range", health, get(rest::health::range))
        .get(
            "/api/v1/health/{id}/range.csv",
            health,
            get(rest::health::range_csv),
        )
        .get(
            "/api/v1/health/{id}/transitions",
            health,
            get(rest::health::transitions),
        )
        .get(
            "/api/v1/audit",
            Access::Call(Permission::ViewAudit),
            get(rest::audit::page),
        )
        .get(
            "/api/v1/audit/export",
            Access::Call(Permission::ExportAudit),
            get(rest::audit::export),
        )
        .get(
            "/api/v1/audit/{seq}",
            Access::Call(Permission::ViewAudit),
            get(rest::audit::entry),
        )
        .get(
            "/api/v1/actions",
            Access::Call(Permission::ViewActions),
            get(rest::actions::list),
        )
        .post(
            "/api/v1/actions",
            Access::Call(Permission::RequestAction),
            post(rest::actions::request),
        )
        .post(
            "/api/v1/actions/plan",
            Access::Call(Permission::ViewActions),
            post(rest::actions::plan),
        )
        .get(
            "/api/v1/actions/{id}",
            Access::Call(Permission::ViewActions),
            get(rest::actions::action),
        )
        .post(
            "/api/v1/actions/{id}/approve",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::approve),
        )
        .post(
            "/api/v1/actions/{id}/reject",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::reject),
        )
        .post(
            "/api/v1/actions/{id}/start",
            Access::Call(Permission::RequestAction),
            post(rest::actions::start),
        )
        .post(
            "/api/v1/actions/{id}/cancel",
            Access::Call(Permission::RequestAction),
            post(rest::actions::cancel),
        )
        .post(
            "/api/v1/actions/{id}/review",
            Access::Call(Permission::ApproveAction),
            post(rest::actions::review),
        )
        .post(
            "/actions",
            Access::Form(Permission::RequestAction),
            post(actions::request),
        )
        .post(
            "/actions/{id}/approve",
            Access::Form(Permission::ApproveAction),
            post(actions::approve),
        )
        .post(
            "/actions/{id}/reject",
            Access::Form(Permission::ApproveAction),
            post(actions::reject),
        )
        .post(
            "/actions/{id}/start",
            Access::Form(Permission::RequestAction),
            post(actions::start),
        )
        .post(
            "/actions/{id}/cancel",
            Access::Form(Permission::RequestAction),
            post(actions::cancel),
        )
        .post(
            "/actions/{id}/review",
            Access::Form(Permission::ApproveAction),
            post(actions::review),
        )
        .get(
            "/api/v1/database/sessions",
            Access::Call(Permission::ViewDatabase),
            get(rest::database::sessions),
        )
        .get(
            "/api/v1/database/topology",
            Access::Call(Permission::ViewDatabase),
            get(rest::database::topology),
        )
        .get("/api/v1/maintenance", health, get(rest::maintenance::maintenance))
        .get("/api/v1/events", health, get(events::stream))
        .get(
            "/api/v1/me",
            Access::Call(Permission::ViewOwnSessions),
            get(rest::me),
        )
        .get(
            "/api/v1/openapi.json",
            Access::Public,
            get(rest::openapi::document),
        )
        .get("/-/healthy", Access::Public, get(probes::healthy))
        .get("/-/ready", Access::Public, get(probes::ready))
        .get("/metrics", Access::Public, get(probes::metrics))
        .get("/pkg/{file}", Access::Public, get(assets::package))
        .get("/favicon.svg", Access::Public, get(assets::favicon))
        .post("/sign-in", Access::Public, post(sessions::sign_in))
        .post("/sign-out", Access::Public, post(sessions::sign_out))
        .post("/account/theme", Access::Public, post(theme::choose))
        .post(
            "/account/sessions/{id}/revoke",
            Access::Form(Permission::RevokeOwnSession),
            post(sessions::revoke),
        )
        .post(
            "/account/sessions/revoke-others",
            Access::Form(Permission::RevokeOwnSession),
            post(sessions::revoke_others),
        )
        .post(
            "/account/tokens",
            Access::Form(Permission::ManageOwnTokens),
            post(api_tokens::make),
        )
        .post(
            "/account/tokens/{id}/revoke",
            Access::Form(Permission::ManageOwnTokens),
            post(api_tokens::revoke),
        )
        .open();

    let provide = {
        let (state, stylesheet) = (state.clone(), stylesheet.to_owned());
        move || pages::provide(&state, &stylesheet)
    };
    let page_routes = generate_route_list(App);
    doors.extend(page_routes.iter().map(|route| {
        let path = route.path().to_owned();
        let access = match path.as_str() {
            pages::SIGN_IN => Access::Public,
            "/account/sessions" => Access::Page(Permission::ViewOwnSessions),
            api_tokens::OWN_TOKENS => Access::Page(Permission::ViewOwnTokens),
            "/audit" | "/audit/{seq}" => Access::Page(Permission::ViewAudit),
            "/actions" | "/actions/new" | "/actions/:id" => Access::Page(Permission::ViewActions),
            "/database" | "/database/topology" => Access::Page(Permission::ViewDatabase),
            _ => Access::Page(Permission::ViewHealth),
        };
        Door {
            method: axum::http::Method::GET,
            path,
            access,
        }
    }));
    let document = {
        let options = state.leptos.clone();
        move || shell(options.clone())
    };
    let not_found = leptos_axum::render_app_async_with_context(provide.clone(), document.clone());
    let pages = Router::new()
        .leptos_routes_with_context(state, page_routes, provide, document)
        .fallback(move |request: Request| not_found(request))
        .layer(middleware::from_fn_with_state(state.clone(), pages::gate))
        // A seventh of the bytes for half a millisecond. What a page reflects cannot be probed by its length: other
        // sites' requests bring no cookies along (SameSite=Strict), so they see no page.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));

    let router = Router::new()
        .merge(calls)
        .route("/api/{*rest}", axum::routing::any(rest::no_such_call))
        .merge(pages)
        .layer(middleware::from_fn_with_state(
            state.auth.clone(),
            refuse_cross_site,
        ))
        .layer(middleware::from_fn_with_state(state.auth.clone(), authenticate))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(request::after_panic))
        .layer(middleware::from_fn_with_state(
            Https(state.config.server.is_https()),
            security_headers,
        ))
        .layer(middleware::from_fn_with_state(state.clone(), request::observe))
        .with_state(state.clone());
    (router, doors)
}
