// SkillQuest's AI service: works on what the API queues.

import { createServer } from 'node:http';
import { logger } from '../log.js';
import { answerMetrics } from '../metrics.js';
import { connect } from '../redis.js';
import { stopOnSignal } from '../stop.js';
import { register, watchQueue } from './metrics.js';
import { QUEUE, worker } from './worker.js';

const log = logger('ai');
const redis = connect(process.env.REDIS_URL, log);
watchQueue(() => redis.llen(QUEUE));
const working = worker({
  redis,
  upstream: process.env.AI_UPSTREAM_URL,
  log,
  model: process.env.AI_MODEL ?? 'gpt-4o-mini',
  criticalModel: process.env.AI_MODEL_CRITICAL ?? 'gpt-4o',
  maxConcurrent: Number(process.env.AI_MAX_CONCURRENT ?? 5),
});

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://ai');
  if (pathname === '/metrics') return answerMetrics(register, response);
  const [status, body] = pathname === '/health' ? [200, { status: 'ok' }] : [404, { error: 'There is nothing here' }];
  return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => log('info', `Listening on ${process.env.PORT}`));
stopOnSignal(() => server.close(), () => working.stop(), () => redis.disconnect());
