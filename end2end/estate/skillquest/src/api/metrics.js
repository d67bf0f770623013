// The API's own series. Those that rates are taken of exist with value 0 from the start: what first appears with 1
// has, for Prometheus, never increased.

import client from 'prom-client';
import { registry } from '../metrics.js';

export const register = registry('api');
const registers = [register];

export const requestDuration = new client.Histogram({
  name: 'http_request_duration_seconds',
  help: 'Time to answer a request',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10],
  registers,
});

export const requests = new client.Counter({
  name: 'http_requests_total',
  help: 'Requests answered',
  labelNames: ['method', 'route', 'status'],
  registers,
});

export const queryDuration = new client.Histogram({
  name: 'db_query_duration_seconds',
  help: 'Time of a database query, waiting for a connection included',
  labelNames: ['operation'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2.5, 5],
  registers,
});

export const websockets = new client.Gauge({
  name: 'websocket_connections_active',
  help: 'Open WebSocket connections',
  registers,
});

/** Shows the use of a pg.Pool. */
export function watchPool(pool) {
  new client.Gauge({
    name: 'db_pool_connections',
    help: 'Connections of the pool by state, and requests that wait for one',
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'active' }, pool.totalCount - pool.idleCount);
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  new client.Gauge({
    name: 'db_pool_max_connections',
    help: 'Connections that the pool may open',
    registers,
    collect() {
      this.set(pool.options.max);
    },
  });
}

/** Makes the series of a route. */
export function announceRoute(method, route, status) {
  for (const code of [status, 500, 503]) {
    requests.inc({ method, route, status: code }, 0);
    requestDuration.zero({ method, route, status: code });
  }
}

/** Counts an answer. */
export function observeRequest(method, route, status, seconds) {
  requests.inc({ method, route, status });
  requestDuration.observe({ method, route, status }, seconds);
}
