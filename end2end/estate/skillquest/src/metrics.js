// What both services have in common for Prometheus.

import v8 from 'node:v8';
import client from 'prom-client';

/** A registry whose series all carry the service's name, with Node.js' own metrics in it. */
export function registry(service) {
  const register = new client.Registry();
  register.setDefaultLabels({ service });
  client.collectDefaultMetrics({ register });
  // The heap's current total follows its use, so used / total reads 85 % on an idle process: the limit is what counts.
  new client.Gauge({
    name: 'nodejs_heap_size_limit_bytes',
    help: 'Size that the heap may grow to (v8 heap_size_limit)',
    registers: [register],
    collect() {
      this.set(v8.getHeapStatistics().heap_size_limit);
    },
  });
  return register;
}

/** Answers a scrape. */
export async function answerMetrics(register, response) {
  const body = await register.metrics();
  response.writeHead(200, { 'content-type': register.contentType }).end(body);
}
