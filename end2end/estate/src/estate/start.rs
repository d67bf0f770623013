//! The start: what depends on nothing together, then what depends on it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::node::Node;
use super::pair::Pair;
use super::{
    Estate, EstateConfig, Inner, Ports, console_db, faults, listener, monitoring, pgbouncer, services, state,
    watch,
};
use crate::error::PartError;
use crate::leftovers::{self, Register};
use crate::parts::{Redis, RedisOptions};
use crate::process::{Process, RunAs, run_tool};

/// What Redis of SkillQuest may use. Small, so that it can be filled in a second.
const REDIS_MEMORY: &str = "64mb";

pub(super) fn start(mut config: EstateConfig) -> Result<Estate, PartError> {
    let begin = Instant::now();
    prepare_directory(&mut config)?;
    let lock = lock_directory(&config.dir)?;
    let pids = config.dir.join("pids.json");
    let was_killed = pids.exists();
    for (name, pid) in leftovers::remove(&pids) {
        (config.progress)(&format!(
            "ended {name} (process {pid}), left by an estate that was killed"
        ));
    }
    let ports = match config.ports {
        Some(ports) => ports,
        None => Ports::free()?,
    };
    // What was killed a moment ago may still be letting go of its ports.
    ports.check(Duration::from_secs(if was_killed { 5 } else { 0 }))?;
    raise_open_files();
    faults::write_active(&config, &[])?;

    let inner = Arc::new(start_parts(config, ports)?);
    let config = &inner.config;
    inner.clear_redis_of_faults()?;
    state::write(&inner)?;
    let listener = listener::listen(&inner)?;
    let watcher = watch::watch(&inner)?;
    (config.progress)(&format!(
        "the estate is up after {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    Ok(Estate {
        inner,
        watcher: Some(watcher),
        listener: Some(listener),
        _lock: lock,
    })
}

fn prepare_directory(config: &mut EstateConfig) -> Result<(), PartError> {
    let wanted = config.dir.display().to_string();
    let making = || PartError::io(format!("making {wanted}"));
    std::fs::create_dir_all(config.log_dir()).map_err(making())?;
    config.dir = config.dir.canonicalize().map_err(making())?;
    std::fs::set_permissions(&config.dir, std::fs::Permissions::from_mode(0o755)).map_err(making())?;
    let dir = config.dir.to_string_lossy().into_owned();
    if dir.contains(['\'', '"', '%', '\n']) {
        return Err(PartError::Unexpected {
            part: "estate".into(),
            message: format!("the directory {dir} has a quote or a percent sign in its name; choose another"),
        });
    }
    // Servers that run as an ordinary user must get there.
    run_tool(&["test", "-x", &dir], RunAs::Unprivileged, Path::new("/")).map(drop).map_err(|_| {
        PartError::Unexpected {
            part: "estate".into(),
            message: format!(
                "PostgreSQL runs as an ordinary user, and {dir} lies in a directory that only root may enter; choose another with --dir"
            ),
        }
    })
}

/// One estate a directory.
fn lock_directory(dir: &Path) -> Result<File, PartError> {
    let path = dir.join("lock");
    let opening = || PartError::io(format!("opening {}", path.display()));
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(opening())?;
    if file.try_lock().is_err() {
        let mut pid = String::new();
        let _ = file.read_to_string(&mut pid);
        return Err(PartError::Unexpected {
            part: "estate".into(),
            message: format!("one runs in {} already (process {})", dir.display(), pid.trim()),
        });
    }
    file.set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(opening())?;
    Ok(file)
}

/// Thousands of WebSockets need as many descriptors; children inherit the limit.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it isn't allowed, the fault says that it doesn't reach its number.
    let _ = setrlimit(Resource::Nofile, limit);
}

type Handle<'scope, T> = ScopedJoinHandle<'scope, Result<T, PartError>>;

fn spawn<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    task: impl FnOnce() -> Result<T, PartError> + Send + 'scope,
) -> Handle<'scope, T> {
    scope.spawn(task)
}

/// The result of a branch. A branch that panicked is a fault of this program; it is passed on.
fn result<T>(handle: Handle<'_, T>) -> Result<T, PartError> {
    handle
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Writes a started part down and tells of it.
struct Started<'a> {
    config: &'a EstateConfig,
    register: &'a Register,
}

impl Started<'_> {
    fn process(&self, process: Process) -> Result<Process, PartError> {
        self.register.note(process.recipe(), process.pid())?;
        (self.config.progress)(&format!("{} answers", process.recipe().name));
        Ok(process)
    }

    fn node(&self, node: &Node) -> Result<(), PartError> {
        self.part(&node.postgres, |part| (part.recipe().clone(), part.pid()))
            .map(drop)
    }

    fn part<T>(
        &self,
        part: T,
        of: impl Fn(&T) -> (crate::process::Recipe, Option<u32>),
    ) -> Result<T, PartError> {
        let (recipe, pid) = of(&part);
        self.register.note(&recipe, pid)?;
        (self.config.progress)(&format!("{} answers", recipe.name));
        Ok(part)
    }
}

fn start_parts(config: EstateConfig, ports: Ports) -> Result<Inner, PartError> {
    let register = Register::new(config.dir.join("pids.json"));
    let started = Started {
        config: &config,
        register: &register,
    };
    let pair = Pair::new(&config, &ports)?;
    let primary = pair.coming_primary()?;
    let (config_ref, ports_ref, started_ref, pair_ref) = (&config, &ports, &started, &pair);

    let parts = std::thread::scope(|scope| {
        let (config, ports, started, pair) = (config_ref, ports_ref, started_ref, pair_ref);
        // The services answer without a database; nobody asks them for anything before all is up.
        let nodes = spawn(scope, || {
            services::install_dependencies(config)?;
            start_services(config, ports, started)
        });
        let console_db = spawn(scope, || {
            let part = console_db::start(config, ports)?;
            started.part(part, |part| (part.recipe().clone(), part.pid()))
        });
        let redis = spawn(scope, || {
            start_redis(config, ports).and_then(|part| note_redis(started, part))
        });
        let console_redis = spawn(scope, || {
            start_console_redis(config, ports).and_then(|part| note_redis(started, part))
        });
        let prometheus = spawn(scope, || {
            let part = monitoring::start_prometheus(config, ports)?;
            started.part(part, |part| (part.recipe().clone(), part.pid()))
        });
        let alertmanager = spawn(scope, || {
            let part = monitoring::start_alertmanager(config, ports)?;
            started.part(part, |part| (part.recipe().clone(), part.pid()))
        });
        let exporters = spawn(scope, || {
            let of_nodes = pair.nodes().map(|node| {
                monitoring::start_postgres_exporter(config, ports, node.name, node.postgres.port())
            });
            [
                monitoring::start_node_exporter(config, ports),
                monitoring::start_redis_exporter(config, ports),
                pgbouncer::start(config, ports, pair.node(primary).postgres.port()),
            ]
            .into_iter()
            .chain(of_nodes)
            .map(|process| started.process(process?))
            .collect::<Result<Vec<_>, _>>()
        });
        started.node(pair.start_primary(primary)?)?;
        pair.rejoin(primary.other())?;
        started.node(pair.node(primary.other()))?;
        let mut servers = result(exporters)?;
        servers.extend(result(nodes)?);
        Ok::<_, PartError>((
            result(redis)?,
            result(console_db)?,
            result(console_redis)?,
            result(prometheus)?,
            result(alertmanager)?,
            servers,
        ))
    })?;
    let (redis, console_db, console_redis, prometheus, alertmanager, servers) = parts;
    // Traffic begins when everything answers: no error that isn't meant.
    let load = started.process(services::start_load(&config, &ports)?)?;
    Ok(Inner {
        ports,
        pair,
        redis,
        console_db,
        console_redis,
        prometheus,
        alertmanager,
        load,
        servers,
        faults: Mutex::default(),
        register,
        writing_state: Mutex::default(),
        config,
    })
}

fn note_redis(started: &Started<'_>, redis: Redis) -> Result<Redis, PartError> {
    started.part(redis, |part| (part.recipe().clone(), part.pid()))
}

/// The Node.js services; the stand-in last, as it looks after the others.
fn start_services(
    config: &EstateConfig,
    ports: &Ports,
    started: &Started<'_>,
) -> Result<Vec<Process>, PartError> {
    std::thread::scope(|scope| {
        let api_0 = spawn(scope, || {
            services::start_api(config, ports, 0).and_then(|part| started.process(part))
        });
        let api_1 = spawn(scope, || {
            services::start_api(config, ports, 1).and_then(|part| started.process(part))
        });
        let ai = spawn(scope, || {
            services::start_ai(config, ports).and_then(|part| started.process(part))
        });
        let upstream = spawn(scope, || {
            services::start_upstream(config, ports).and_then(|part| started.process(part))
        });
        let (api_0, api_1, ai) = (result(api_0)?, result(api_1)?, result(ai)?);
        let pods = [("api", &api_0), ("api", &api_1), ("ai", &ai)];
        let kubelet = started.process(services::start_kubelet(config, ports, &pods)?)?;
        Ok(vec![api_0, api_1, ai, result(upstream)?, kubelet])
    })
}

/// SkillQuest's Redis, with the handbook's persistence.
fn start_redis(config: &EstateConfig, ports: &Ports) -> Result<Redis, PartError> {
    let settings = [
        ("save", "900 1 300 10 60 10000"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory", REDIS_MEMORY),
        // Only what has a time to live may be evicted: the cache, never the queue.
        ("maxmemory-policy", faults::REDIS_POLICY),
    ];
    Redis::start_with(&RedisOptions {
        name: "redis".into(),
        dir: Some(config.dir.join("redis")),
        port: Some(ports.redis),
        settings: settings
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
    })
}

/// The console's own Redis: for what may be lost.
fn start_console_redis(config: &EstateConfig, ports: &Ports) -> Result<Redis, PartError> {
    let settings = vec![("maxmemory".to_owned(), "64mb".to_owned())];
    Redis::start_with(&RedisOptions {
        name: "console-redis".into(),
        dir: Some(config.dir.join("console-redis")),
        port: Some(ports.console_redis),
        settings,
    })
}
