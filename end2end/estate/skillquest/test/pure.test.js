import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logger } from '../src/log.js';
import { span } from '../src/trace.js';
import { priceOf } from '../src/ai/models.js';

test('a line has exactly the fields of the handbook, in its order', () => {
  const lines = [];
  logger('api', (line) => lines.push(line))('info', 'Enrolled', { statusCode: 201, foreign: 1 });
  assert.deepEqual(Object.keys(JSON.parse(lines[0])), [
    'timestamp', 'level', 'service', 'traceId', 'spanId', 'method', 'path', 'statusCode', 'duration_ms', 'userId',
    'tenantId', 'message',
  ]);
  assert.match(lines[0], /\n$/);
});

test('debug is left out unless asked for', () => {
  const lines = [];
  logger('api', (line) => lines.push(line))('debug', 'detail');
  assert.equal(lines.length, 0);
});

test('a caller’s trace goes on with a span of our own', () => {
  const { traceId, spanId, traceparent } = span('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00');
  assert.equal(traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.notEqual(spanId, '00f067aa0ba902b7');
  assert.equal(traceparent, `00-${traceId}-${spanId}-00`);
});

test('a broken or missing trace header begins a new trace', () => {
  const zero = '00-00000000000000000000000000000000-00f067aa0ba902b7-01';
  for (const header of [undefined, '', 'nonsense', zero, 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00']) {
    const { traceId } = span(header);
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.ok(!header?.includes(traceId));
  }
});

test('a day of the synthetic load costs less than the target of 50 dollars', () => {
  const jobs = 86_400 / 2;
  const most = { prompt_tokens: 1200, completion_tokens: 500 };
  const mean = { prompt_tokens: 900, completion_tokens: 350 };
  assert.ok(jobs * (0.1 * priceOf('gpt-4o', mean) + 0.9 * priceOf('gpt-4o-mini', mean)) < 40);
  assert.ok(jobs * (0.1 * priceOf('gpt-4o', most) + 0.9 * priceOf('gpt-4o-mini', most)) < 60);
});
