// Takes jobs from the queue, at most AI_MAX_CONCURRENT at a time, and has the provider work on them.

import { span as spanOf } from '../trace.js';
import { cost, rateLimited, requestDuration, requests } from './metrics.js';
import { models, priceOf } from './models.js';

export const QUEUE = 'ai:generation:queue';
const MAX_ATTEMPTS = 5;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function worker({ redis, upstream, log, model, criticalModel, maxConcurrent }) {
  for (const name of [model, criticalModel]) {
    if (!(name in models)) throw new Error(`Unknown model ${name}; known are ${Object.keys(models).join(', ')}`);
  }
  let stopping = false;

  async function ask(job, span) {
    const name = job.critical ? criticalModel : model;
    const begin = performance.now();
    let outcome = 'error';
    let detail = '';
    let statusCode = null;
    try {
      const response = await fetch(`${upstream}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', traceparent: span.traceparent },
        body: JSON.stringify({ model: name, messages: [{ role: 'user', content: job.prompt }] }),
        signal: AbortSignal.timeout(60_000),
      });
      statusCode = response.status;
      const body = await response.json();
      if (response.status === 429) {
        outcome = 'rate_limited';
        rateLimited.inc({ model: name });
        const header = (key) => `${key}: ${response.headers.get(key)}`;
        detail = `refused for its rate (${header('x-ratelimit-remaining-requests')}, ${header('retry-after')})`;
      } else if (response.ok) {
        outcome = 'success';
        cost.inc({ model: name }, priceOf(name, body.usage));
        detail = 'answered';
      } else {
        detail = `failed: ${body.error?.message}`;
      }
    } catch (error) {
      detail = `failed: ${error.message}`;
    }
    const seconds = (performance.now() - begin) / 1000;
    requestDuration.observe({ model: name }, seconds);
    requests.inc({ model: name, outcome });
    log(outcome === 'success' ? 'info' : outcome === 'error' ? 'error' : 'warn', `${name} ${detail}`, {
      ...span,
      method: 'POST',
      path: '/v1/chat/completions',
      statusCode,
      duration_ms: Math.round(seconds * 1000),
    });
    return outcome;
  }

  async function take() {
    const text = await redis.rpop(QUEUE);
    if (!text) return false;
    const job = JSON.parse(text);
    const outcome = await ask(job, spanOf(job.traceparent));
    const attempts = (job.attempts ?? 0) + 1;
    if (outcome === 'success') return true;
    if (attempts >= MAX_ATTEMPTS) {
      log('error', `A job was given up after ${attempts} attempts`, spanOf(job.traceparent));
    } else {
      await redis.lpush(QUEUE, JSON.stringify({ ...job, attempts }));
    }
    await pause(1000);
    return true;
  }

  async function loop() {
    while (!stopping) {
      // Polled, not blocking: one connection serves all, and a broken one is noticed.
      const worked = await take().catch(() => false);
      if (!worked) await pause(250);
    }
  }

  for (let i = 0; i < maxConcurrent; i += 1) loop();
  return { stop: () => { stopping = true; } };
}
