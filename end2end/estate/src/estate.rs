//! The whole estate: started together, watched, broken on request, stopped together.

mod archive;
mod console_db;
mod faults;
mod listener;
mod monitoring;
mod node;
mod operate;
mod pair;
mod pgbouncer;
mod ports;
mod rejoin;
mod roles;
mod server;
mod services;
mod start;
mod state;
mod wal_sender;
mod watch;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub use ports::Ports;

use crate::Fault;
use crate::error::PartError;
use crate::leftovers::Register;
use crate::node::{NodeCommand, NodeName, NodeState};
use crate::parts::{Alertmanager, Postgres, Prometheus, Redis};
use crate::process::{Process, Recipe, lock};

/// Takes progress lines.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What an estate is to be like.
#[derive(Clone)]
pub struct EstateConfig {
    /// Directory for all data, configuration and logs; kept when the estate stops, so that the next start takes seconds.
    pub dir: PathBuf,
    /// Ports; free ones if `None`.
    pub ports: Option<Ports>,
    /// Port on 127.0.0.1 where Prometheus looks for the console's `/metrics`.
    pub console_port: u16,
    /// Where the Node.js services are.
    pub skillquest_dir: PathBuf,
    /// Directory whose `*.yml` are Prometheus' rules.
    pub rules_dir: PathBuf,
    /// Custom queries of postgres_exporter.
    pub queries_file: PathBuf,
    /// Seconds after which PostgreSQL finishes a WAL segment that isn't full.
    pub archive_timeout_s: u32,
    /// Synthetic requests a second to the API, all processes together.
    pub requests_per_second: u32,
    /// Where progress lines go.
    pub progress: Progress,
}

impl fmt::Debug for EstateConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstateConfig")
            .field("dir", &self.dir)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

impl EstateConfig {
    /// The estate as it is shown: everything of this repository, free ports, no progress lines.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Without `..` in it, as these paths are shown to people.
        let repository = crate_dir.ancestors().nth(2).unwrap_or(crate_dir);
        Self {
            dir: dir.into(),
            ports: None,
            console_port: 3000,
            skillquest_dir: crate_dir.join("skillquest"),
            rules_dir: repository.join("deploy/prometheus/rules"),
            queries_file: repository.join("deploy/prometheus/postgres-exporter-queries.yml"),
            archive_timeout_s: 300,
            requests_per_second: 30,
            progress: Arc::new(|_| {}),
        }
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn faults_file(&self) -> PathBuf {
        self.dir.join("faults.json")
    }
}

/// A running estate. Ends with [`Estate::stop`] or when dropped.
#[derive(Debug)]
pub struct Estate {
    inner: Arc<Inner>,
    /// Dropping it ends the watcher.
    watcher: Option<(Sender<()>, JoinHandle<()>)>,
    listener: Option<listener::Listener>,
    /// Holds the directory against a second estate.
    _lock: File,
}

/// What the estate's threads share.
#[derive(Debug)]
struct Inner {
    config: EstateConfig,
    ports: Ports,
    pair: pair::Pair,
    redis: Redis,
    console_db: Postgres,
    console_redis: Redis,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    /// The traffic; ends first.
    load: Process,
    /// Exporters, PgBouncer and services.
    servers: Vec<Process>,
    faults: Mutex<faults::Active>,
    register: Register,
    /// Held while `estate.json` is written.
    writing_state: Mutex<()>,
}

impl Estate {
    /// Starts everything and returns when everything answers: half a minute on a fresh directory at most, a few
    /// seconds on one that was used. Removes first what a killed estate left running there.
    ///
    /// # Errors
    /// When another estate runs in the directory, a port is taken, a program is missing, or a part doesn't start;
    /// what was started is stopped again.
    pub fn start(config: EstateConfig) -> Result<Self, PartError> {
        start::start(config)
    }

    /// Its ports.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.config.dir
    }

    /// URL of Prometheus, without a slash at its end.
    #[must_use]
    pub fn prometheus_url(&self) -> String {
        self.inner.prometheus.url()
    }

    /// A node of PostgreSQL.
    #[must_use]
    pub fn node(&self, name: NodeName) -> &Postgres {
        &self.inner.pair.node(name).postgres
    }

    /// The name of the node that is the primary now; of two, that of the one on the higher timeline.
    ///
    /// # Errors
    /// When none is.
    pub fn primary_name(&self) -> Result<NodeName, PartError> {
        self.inner.pair.primary().map(|node| node.name)
    }

    /// The node that is the primary now.
    ///
    /// # Errors
    /// When none is.
    pub fn primary(&self) -> Result<&Postgres, PartError> {
        self.inner.pair.primary().map(|node| &node.postgres)
    }

    /// The node that is not the primary now, whatever it is.
    ///
    /// # Errors
    /// When none is the primary.
    pub fn standby(&self) -> Result<&Postgres, PartError> {
        self.primary_name().map(|name| self.node(name.other()))
    }

    /// Does something to a node, and returns what it is then.
    ///
    /// # Errors
    /// When it can't be done.
    pub fn operate(&self, name: NodeName, command: NodeCommand) -> Result<NodeState, PartError> {
        self.inner.operate(name, command)
    }

    /// SkillQuest's Redis.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        &self.inner.redis
    }

    /// Switches a fault on; nothing changes if it is.
    ///
    /// # Errors
    /// When it can't be brought about.
    pub fn fault(&self, fault: Fault) -> Result<(), PartError> {
        self.inner.switch_on(fault)
    }

    /// Switches a fault off and mends what it broke; nothing changes if it is off.
    ///
    /// # Errors
    /// When it can't be mended.
    pub fn mend(&self, fault: Fault) -> Result<(), PartError> {
        self.inner.switch_off(fault)
    }

    /// Switches all faults off and mends what they broke.
    ///
    /// # Errors
    /// When one can't be mended; the others are.
    pub fn mend_all(&self) -> Result<(), PartError> {
        self.inner.switch_all_off()
    }

    /// The faults that are on.
    #[must_use]
    pub fn active_faults(&self) -> Vec<Fault> {
        self.inner.active_faults()
    }

    /// Stops everything in order; the directory stays.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.inner.pair.ending.store(true, Ordering::Release);
        if let Some(listener) = self.listener.take() {
            listener.end();
        }
        if let Some((stop, thread)) = self.watcher.take() {
            drop(stop);
            // A watcher that panicked has said so already.
            let _ = thread.join();
        } else {
            return;
        }
        self.inner.stop_all();
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inner {
    /// Callers before what they call, so that nothing logs errors about an end that is meant.
    fn stop_all(&self) {
        let mut faults = lock(&self.faults);
        faults.end_processes();
        self.load.stop();
        std::thread::scope(|scope| {
            for process in &self.servers {
                scope.spawn(|| process.stop());
            }
            scope.spawn(|| self.prometheus.stop());
            scope.spawn(|| self.alertmanager.stop());
        });
        std::thread::scope(|scope| {
            scope.spawn(|| self.pair.stop());
            scope.spawn(|| self.console_db.stop());
            scope.spawn(|| self.redis.stop());
            scope.spawn(|| self.console_redis.stop());
        });
        for name in ["estate.json", "pids.json", "faults.json", "pods.json"] {
            let _ = std::fs::remove_file(self.config.dir.join(name));
        }
    }

    /// Whether a part is down because somebody wanted it so.
    fn is_meant_to_be_down(&self, part: &Recipe) -> bool {
        if part.name == self.console_db.recipe().name {
            return self.is_on(Fault::DeadConsoleDb);
        }
        let mut nodes = self.pair.nodes().into_iter();
        nodes.any(|node| node.postgres.recipe().name == part.name && node.is_meant_to_be_down())
    }

    /// Every part with its process, for the watcher and the list of pids.
    fn running(&self) -> Vec<(&Recipe, Option<u32>, bool)> {
        let mut all = vec![
            (self.redis.recipe(), self.redis.pid(), self.redis.is_running()),
            (
                self.console_db.recipe(),
                self.console_db.pid(),
                self.console_db.is_running(),
            ),
            (
                self.console_redis.recipe(),
                self.console_redis.pid(),
                self.console_redis.is_running(),
            ),
            (
                self.prometheus.recipe(),
                self.prometheus.pid(),
                self.prometheus.is_running(),
            ),
            (
                self.alertmanager.recipe(),
                self.alertmanager.pid(),
                self.alertmanager.is_running(),
            ),
        ];
        let processes = self.servers.iter().chain([&self.load]);
        all.extend(processes.map(|process| (process.recipe(), process.pid(), process.is_running())));
        let nodes = self.pair.nodes().map(|node| &node.postgres);
        all.extend(nodes.map(|node| (node.recipe(), node.pid(), node.is_running())));
        all
    }
}
