//! The sixteen metrics: what they are called, and what they usually say.

use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{
    action::ActionKind,
    health::{Direction, Thresholds, Unit},
};

/// id, title, group, unit, target, alert, higher is better, usual value, a member's kind.
pub type Row = (
    &'static str,
    &'static str,
    &'static str,
    Unit,
    Option<f64>,
    f64,
    bool,
    f64,
    Option<&'static str>,
);

pub const ROWS: [Row; 16] = [
    (
        "api_latency_p50",
        "API latency (p50)",
        "api",
        Unit::Milliseconds,
        Some(50.0),
        100.0,
        false,
        23.4,
        None,
    ),
    (
        "api_latency_p99",
        "API latency (p99)",
        "api",
        Unit::Milliseconds,
        Some(500.0),
        2_000.0,
        false,
        184.0,
        None,
    ),
    (
        "api_error_rate",
        "API error rate (5xx)",
        "api",
        Unit::Percent,
        Some(0.1),
        1.0,
        false,
        0.02,
        None,
    ),
    (
        "websocket_connections",
        "WebSocket active connections",
        "api",
        Unit::Count,
        None,
        5_000.0,
        false,
        214.0,
        None,
    ),
    (
        "db_query_p95",
        "DB query time (p95)",
        "database",
        Unit::Milliseconds,
        Some(50.0),
        200.0,
        false,
        12.8,
        None,
    ),
    (
        "db_pool_utilization",
        "DB connection pool utilization",
        "database",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        38.1,
        Some("primary"),
    ),
    (
        "postgres_disk_io",
        "Disk I/O (PostgreSQL)",
        "database",
        Unit::Percent,
        None,
        80.0,
        false,
        7.3,
        Some("nvme0n1"),
    ),
    (
        "redis_memory",
        "Redis memory usage",
        "redis",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        41.0,
        None,
    ),
    (
        "redis_hit_rate",
        "Redis hit rate",
        "redis",
        Unit::Percent,
        Some(90.0),
        80.0,
        true,
        97.2,
        None,
    ),
    (
        "redis_ops",
        "Redis operations per second",
        "redis",
        Unit::PerSecond,
        None,
        40_000.0,
        false,
        1_284.0,
        None,
    ),
    (
        "ai_latency_p95",
        "AI API response time (p95)",
        "ai",
        Unit::Milliseconds,
        Some(5_000.0),
        15_000.0,
        false,
        2_310.0,
        None,
    ),
    (
        "ai_daily_cost",
        "AI API daily cost (USD)",
        "ai",
        Unit::Usd,
        Some(50.0),
        100.0,
        false,
        18.42,
        None,
    ),
    (
        "ai_error_rate",
        "AI API error rate",
        "ai",
        Unit::Percent,
        Some(1.0),
        5.0,
        false,
        0.3,
        None,
    ),
    (
        "node_heap",
        "Node.js heap usage",
        "resources",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        31.0,
        Some("skillquest-api-0"),
    ),
    (
        "cpu_per_pod",
        "CPU utilization (per pod)",
        "resources",
        Unit::Percent,
        Some(60.0),
        80.0,
        false,
        22.7,
        Some("skillquest-api-1"),
    ),
    (
        "memory_per_pod",
        "Memory utilization (per pod)",
        "resources",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        48.9,
        Some("skillquest-ai-0"),
    ),
];

pub const GROUPS: [(&str, &str); 5] = [
    ("api", "API"),
    ("database", "Database"),
    ("redis", "Redis"),
    ("ai", "AI service"),
    ("resources", "Processes and pods"),
];

pub fn thresholds(row: &Row) -> Thresholds {
    let direction = if row.6 {
        Direction::HigherIsBetter
    } else {
        Direction::LowerIsBetter
    };
    Thresholds::new(row.4, row.5, direction).expect("the table is sound")
}

/// A line that looks alive and is always the same.
pub fn wave(seed: usize, i: usize, usual: f64) -> f64 {
    let (i, seed) = (i as f64, seed as f64);
    let swing = (i / 9.0 + seed).sin() * 0.12 + (i / 2.3 + seed * 2.0).sin() * 0.05 + (i / 37.0).cos() * 0.08;
    usual * (1.0 + swing)
}

/// Where a metric stands in the table.
pub fn index(id: &str) -> Result<usize, ConsoleError> {
    ROWS.iter()
        .position(|r| r.0 == id)
        .ok_or_else(|| ConsoleError::NotFound(format!("There is no metric {id:?}.")))
}

/// The guarded actions that can help with a metric.
pub fn actions(id: &str) -> Vec<ActionKind> {
    match id {
        "api_latency_p99" => vec![ActionKind::CancelQuery, ActionKind::MaintenanceOn],
        "db_pool_utilization" => vec![ActionKind::TerminateLongRunning],
        "redis_memory" => vec![ActionKind::MaintenanceOn],
        _ => vec![],
    }
}
