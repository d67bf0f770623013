// JSON lines on standard output, with exactly the fields of the operations handbook, all of them on every line.

const threshold = { error: 0, warn: 1, info: 2, debug: 3 };

/** Returns log(level, message, fields) for one service. Levels above LOG_LEVEL (info) are left out. */
export function logger(service, write = (line) => process.stdout.write(line)) {
  const wanted = threshold[process.env.LOG_LEVEL ?? 'info'] ?? threshold.info;
  return (level, message, fields = {}) => {
    if (threshold[level] > wanted) return;
    write(
      `${JSON.stringify({
        timestamp: new Date().toISOString(),
        level,
        service,
        traceId: fields.traceId ?? null,
        spanId: fields.spanId ?? null,
        method: fields.method ?? null,
        path: fields.path ?? null,
        statusCode: fields.statusCode ?? null,
        duration_ms: fields.duration_ms ?? null,
        userId: fields.userId ?? null,
        tenantId: fields.tenantId ?? null,
        message,
      })}\n`,
    );
  };
}
