// SkillQuest's API: courses, leaderboards, enrolments, AI jobs, a WebSocket.

import { createServer } from 'node:http';
import { isActive } from '../faults.js';
import { logger } from '../log.js';
import { answerMetrics } from '../metrics.js';
import { connect as connectRedis } from '../redis.js';
import { stopOnSignal } from '../stop.js';
import { span as spanOf } from '../trace.js';
import { readJson } from './body.js';
import { connect as connectDatabase, PoolExhausted } from './database.js';
import { inMaintenance, serveMaintenanceSwitch } from './maintenance.js';
import { announceRoute, observeRequest, register } from './metrics.js';
import { BadRequest, routes, sessionKey } from './routes.js';
import { serveSockets } from './sockets.js';

/** With the fault "errors": this share of answers is a 500. */
const INJECTED_ERROR_SHARE = 0.2;

const log = logger('api');
const database = connectDatabase(process.env.DATABASE_URL, log);
const redis = connectRedis(process.env.REDIS_URL, log);
const table = routes({ database, redis, log });
for (const { method, route, status } of table) announceRoute(method, route, status);

/** Whether the caller is signed in. Without Redis nobody can tell; reading is for everyone then. */
const isSignedIn = (userId) => redis.get(sessionKey(userId)).then(Boolean, () => true);

async function answer(request, path, span, userId) {
  if (inMaintenance()) return { status: 503, body: { error: 'SkillQuest is under maintenance' }, message: 'Refused: maintenance' };
  for (const entry of table) {
    const match = entry.method === request.method && entry.pattern.exec(path);
    if (!match) continue;
    request.route = entry.route;
    if (userId && entry.session && !(await isSignedIn(userId))) throw new BadRequest(401, 'Not signed in');
    if (isActive('errors') && Math.random() < INJECTED_ERROR_SHARE) throw new Error('Injected failure');
    const body = request.method === 'POST' ? await readJson(request).catch((error) => { throw new BadRequest(400, error.message); }) : undefined;
    return entry.handle({ params: match.slice(1), body, span, userId });
  }
  throw new BadRequest(404, 'There is nothing here');
}

/** What a failed handler answers. */
function failure(error) {
  if (error instanceof BadRequest) return { status: error.status, body: { error: error.message }, message: error.message };
  const status = error instanceof PoolExhausted ? 503 : 500;
  return { status, body: { error: status === 503 ? error.message : 'Internal error' }, message: error.message };
}

const server = createServer(async (request, response) => {
  const begin = performance.now();
  const { pathname } = new URL(request.url, 'http://api');
  if (pathname === '/metrics') return answerMetrics(register, response);
  if (pathname === '/health') {
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'ok', maintenance: inMaintenance() }));
  }
  const span = spanOf(request.headers.traceparent);
  const userId = request.headers['x-user-id'];
  const result = await answer(request, pathname, span, userId).catch(failure);
  const seconds = (performance.now() - begin) / 1000;
  response.writeHead(result.status, { 'content-type': 'application/json', 'x-trace-id': span.traceId }).end(JSON.stringify(result.body));
  observeRequest(request.method, request.route ?? 'unmatched', result.status, seconds);
  log(result.status >= 500 ? 'error' : result.status >= 400 ? 'warn' : 'info', result.message, {
    ...span,
    method: request.method,
    path: pathname,
    statusCode: result.status,
    duration_ms: Math.round(seconds * 1000),
    userId,
    tenantId: request.headers['x-tenant-id'],
  });
});

serveSockets(server, inMaintenance);
// Longer than clients keep theirs, or a request may meet a connection that is being closed.
server.keepAliveTimeout = 65_000;
const admin = serveMaintenanceSwitch(Number(process.env.ADMIN_PORT), log);
server.listen(Number(process.env.PORT), '127.0.0.1', 4096, () => log('info', `Listening on ${process.env.PORT}`));
stopOnSignal(() => server.close(), () => admin.close(), () => redis.disconnect(), () => database.close());
