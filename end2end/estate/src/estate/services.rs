//! The Node.js services, their dependencies and their traffic.

use std::fs::File;
use std::path::Path;

use serde_json::json;

use super::EstateConfig;
use super::ports::Ports;
use super::server::{self, Ready};
use crate::error::PartError;
use crate::leftovers::write_atomically;
use crate::process::{Process, RunAs, find_program, run_tool};

/// Stated limit of every pod: CPU cores.
const CPU_LIMIT: f64 = 0.5;
/// Stated limit of every pod: bytes.
const MEMORY_LIMIT: u64 = 512 * 1024 * 1024;
/// V8's old generation, in MiB: below the pod's limit, as one does on Kubernetes.
const HEAP_LIMIT: &str = "--max-old-space-size=256";

/// Installs the services' dependencies if they are missing or older than the lock file.
pub(crate) fn install_dependencies(config: &EstateConfig) -> Result<(), PartError> {
    let dir = &config.skillquest_dir;
    let lock_file = dir.join("package-lock.json");
    // Estates that start side by side share the directory.
    let guard = File::open(&lock_file)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(PartError::io(format!("locking {}", lock_file.display())))?;
    let changed = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let installed = changed(&dir.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < changed(&lock_file) {
        (config.progress)("installing the npm packages of SkillQuest");
        let npm = find_program("npm", "npm")?;
        run_tool(
            &[&npm, "ci", "--omit=dev", "--no-audit", "--no-fund"],
            RunAs::Caller,
            dir,
        )?;
    }
    drop(guard);
    Ok(())
}

/// Starts a Node.js program of SkillQuest.
pub(crate) fn start_node(
    config: &EstateConfig,
    name: &str,
    script: &str,
    env: Vec<(&str, String)>,
    ready: Ready,
) -> Result<Process, PartError> {
    let script = config.skillquest_dir.join(script);
    let argv = vec![
        find_program("node", "nodejs")?,
        HEAP_LIMIT.into(),
        script.to_string_lossy().into_owned(),
    ];
    let mut env = env;
    env.push(("FAULTS_FILE", config.faults_file().to_string_lossy().into_owned()));
    env.push(("NODE_ENV", "production".into()));
    server::start(name, argv, env, &config.log_dir(), RunAs::Caller, ready)
}

/// Starts API process `number`, 0 or 1.
pub(crate) fn start_api(config: &EstateConfig, ports: &Ports, number: u8) -> Result<Process, PartError> {
    let (port, admin) = if number == 0 {
        (ports.api_0, ports.api_0_admin)
    } else {
        (ports.api_1, ports.api_1_admin)
    };
    start_node(
        config,
        &format!("skillquest-api-{number}"),
        "src/api/main.js",
        vec![
            ("PORT", port.to_string()),
            ("ADMIN_PORT", admin.to_string()),
            (
                "DATABASE_URL",
                format!("postgres://skillquest@127.0.0.1:{}/skillquest", ports.pgbouncer),
            ),
            ("REDIS_URL", format!("redis://127.0.0.1:{}", ports.redis)),
            // Set for the estate, it is meant for the API.
            (
                "MAINTENANCE_MODE",
                std::env::var("MAINTENANCE_MODE").unwrap_or_else(|_| "false".into()),
            ),
        ],
        Ready::Http(port, "/health"),
    )
}

/// Starts the AI service.
pub(crate) fn start_ai(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    start_node(
        config,
        "skillquest-ai-0",
        "src/ai/main.js",
        vec![
            ("PORT", ports.ai.to_string()),
            ("REDIS_URL", format!("redis://127.0.0.1:{}", ports.redis)),
            ("AI_UPSTREAM_URL", format!("http://127.0.0.1:{}", ports.upstream)),
        ],
        Ready::Http(ports.ai, "/health"),
    )
}

/// Starts the simulated AI provider.
pub(crate) fn start_upstream(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    start_node(
        config,
        "simulated-upstream",
        "src/simulated-upstream.js",
        vec![("PORT", ports.upstream.to_string())],
        Ready::Http(ports.upstream, "/health"),
    )
}

/// Starts the stand-in for cAdvisor and kube-state-metrics, which looks after the given pods.
pub(crate) fn start_kubelet(
    config: &EstateConfig,
    ports: &Ports,
    pods: &[(&str, &Process)],
) -> Result<Process, PartError> {
    let file = config.dir.join("pods.json");
    let content: Vec<_> = pods
        .iter()
        .map(|(container, process)| {
            json!({
                "pod": process.recipe().name,
                "container": container,
                "pid": process.pid(),
                "cpu": CPU_LIMIT,
                "memory": MEMORY_LIMIT,
            })
        })
        .collect();
    write_atomically(&file, json!(content).to_string().as_bytes())?;
    start_node(
        config,
        "kubelet-stand-in",
        "src/kubelet-stand-in.js",
        vec![
            ("PORT", ports.kubelet.to_string()),
            ("PODS_FILE", file.to_string_lossy().into_owned()),
        ],
        Ready::Http(ports.kubelet, "/metrics"),
    )
}

/// Starts the synthetic traffic.
pub(crate) fn start_load(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    let env = vec![
        ("API_URLS", api_urls(ports).join(",")),
        ("LOAD_RPS", config.requests_per_second.to_string()),
    ];
    start_node(config, "load", "src/load.js", env, Ready::AtOnce)
}

/// URLs of the API processes.
pub(crate) fn api_urls(ports: &Ports) -> [String; 2] {
    [ports.api_0, ports.api_1].map(|port| format!("http://127.0.0.1:{port}"))
}
