// The sixteen metrics as the operations handbook has them: what the pages must show, said independently of the profile.
export const metrics = [
  { id: "api_latency_p50", title: "API latency (p50)", group: "API", unit: "ms", target: "< 50 ms", alert: "> 100 ms" },
  { id: "api_latency_p99", title: "API latency (p99)", group: "API", unit: "ms", target: "< 500 ms", alert: "> 2,000 ms" },
  { id: "api_error_rate", title: "API error rate (5xx)", group: "API", unit: "%", target: "< 0.1 %", alert: "> 1 %" },
  { id: "websocket_connections", title: "WebSocket active connections", group: "API", unit: "", target: "none", alert: "> 5,000" },
  { id: "db_query_p95", title: "DB query time (p95)", group: "Database", unit: "ms", target: "< 50 ms", alert: "> 200 ms" },
  { id: "db_pool_utilization", title: "DB connection pool utilization", group: "Database", unit: "%", target: "< 70 %", alert: "> 85 %", vector: true },
  { id: "postgres_disk_io", title: "Disk I/O (PostgreSQL)", group: "Database", unit: "%", target: "none", alert: "> 80 %", vector: true },
  { id: "redis_memory", title: "Redis memory usage", group: "Redis", unit: "%", target: "< 70 %", alert: "> 85 %" },
  { id: "redis_hit_rate", title: "Redis hit rate", group: "Redis", unit: "%", target: "> 90 %", alert: "< 80 %" },
  { id: "redis_ops", title: "Redis operations per second", group: "Redis", unit: "/s", target: "none", alert: "> 40,000 /s" },
  { id: "ai_latency_p95", title: "AI API response time (p95)", group: "AI service", unit: "ms", target: "< 5,000 ms", alert: "> 15,000 ms" },
  { id: "ai_daily_cost", title: "AI API daily cost (USD)", group: "AI service", unit: "$", target: "< $50", alert: "> $100" },
  { id: "ai_error_rate", title: "AI API error rate", group: "AI service", unit: "%", target: "< 1 %", alert: "> 5 %" },
  { id: "node_heap", title: "Node.js heap usage", group: "Processes and pods", unit: "%", target: "< 70 %", alert: "> 85 %", vector: true },
  { id: "cpu_per_pod", title: "CPU utilization (per pod)", group: "Processes and pods", unit: "%", target: "< 60 %", alert: "> 80 %", vector: true },
  { id: "memory_per_pod", title: "Memory utilization (per pod)", group: "Processes and pods", unit: "%", target: "< 70 %", alert: "> 85 %", vector: true },
];

export const pods = ["skillquest-ai-0", "skillquest-api-0", "skillquest-api-1"];

export const groups = [...new Set(metrics.map((metric) => metric.group))];

/** The words of the four bands. */
export const bands = /^(OK|Degraded|Alert|Unknown)$/;
