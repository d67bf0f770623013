// The AI service's own series, at 0 from the start.

import client from 'prom-client';
import { registry } from '../metrics.js';
import { models } from './models.js';

export const register = registry('ai');
const registers = [register];

export const requestDuration = new client.Histogram({
  name: 'ai_request_duration_seconds',
  help: 'Time of a request to the AI provider',
  labelNames: ['model'],
  // Past the alert threshold of 15 s: no quantile can be read above the last bucket.
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60],
  registers,
});

export const requests = new client.Counter({
  name: 'ai_requests_total',
  help: 'Requests to the AI provider by outcome',
  labelNames: ['model', 'outcome'],
  registers,
});

export const cost = new client.Counter({
  name: 'ai_api_cost_usd_total',
  help: 'What the AI provider charged, in US dollars',
  labelNames: ['model'],
  registers,
});

export const rateLimited = new client.Counter({
  name: 'ai_api_rate_limited_total',
  help: 'Requests that the AI provider refused with 429',
  labelNames: ['model'],
  registers,
});

for (const model of Object.keys(models)) {
  requestDuration.zero({ model });
  cost.inc({ model }, 0);
  rateLimited.inc({ model }, 0);
  for (const outcome of ['success', 'error', 'rate_limited']) requests.inc({ model, outcome }, 0);
}

/** Shows the length of the queue, as it is when scraped. */
export function watchQueue(length) {
  new client.Gauge({
    name: 'ai_queue_length',
    help: 'Jobs waiting in ai:generation:queue',
    registers,
    async collect() {
      // Without Redis the length is not known, and no value says so; the last one would not.
      await length().then((value) => this.set(value), () => this.remove());
    },
  });
}
