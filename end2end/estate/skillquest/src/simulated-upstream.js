// A simulated AI provider: nothing leaves this machine. It answers in the provider's format, takes as long as such a
// model does, and with the fault "ai-429" refuses most requests for their rate.

import { createServer } from 'node:http';
import { isActive } from './faults.js';
import { stopOnSignal } from './stop.js';

/** Median seconds of an answer. */
const medians = { 'gpt-4o': 1.4, 'gpt-4o-mini': 0.7 };
const SPREAD = 0.3;
const REFUSED_SHARE = 0.8;
const LIMIT = 500;

/** Times of real answers are skewed: log-normal. */
function latency(model) {
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return medians[model] * Math.exp(SPREAD * normal);
}

const between = (low, high) => Math.round(low + Math.random() * (high - low));

const server = createServer(async (request, response) => {
  const answer = (status, body, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  if (request.url === '/health') return answer(200, { status: 'ok' });
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let model;
  try {
    ({ model } = JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    return answer(400, { error: { message: 'The body is not JSON' } });
  }
  if (!(model in medians)) return answer(404, { error: { message: `There is no model ${model}` } });
  if (isActive('ai-429') && Math.random() < REFUSED_SHARE) {
    return answer(
      429,
      { error: { type: 'rate_limit_exceeded', message: 'Rate limit reached' } },
      { 'retry-after': '2', 'x-ratelimit-limit-requests': LIMIT, 'x-ratelimit-remaining-requests': 0 },
    );
  }
  await new Promise((resolve) => setTimeout(resolve, latency(model) * 1000));
  return answer(
    200,
    {
      model,
      choices: [{ message: { role: 'assistant', content: 'A simulated answer.' } }],
      usage: { prompt_tokens: between(600, 1200), completion_tokens: between(200, 500) },
    },
    { 'x-ratelimit-limit-requests': LIMIT, 'x-ratelimit-remaining-requests': LIMIT - 1 },
  );
});
server.listen(Number(process.env.PORT), '127.0.0.1');
stopOnSignal(() => server.close());
