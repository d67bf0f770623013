// W3C trace context: https://www.w3.org/TR/trace-context/

import { randomBytes } from 'node:crypto';

const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The span of this process within the caller's trace, or within a new one if the header is missing or broken. */
export function span(traceparent) {
  const match = pattern.exec(traceparent ?? '');
  const valid = match && !traceparent.startsWith('ff') && !/^0+$/.test(match[1]) && !/^0+$/.test(match[2]);
  const traceId = valid ? match[1] : randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  const flags = valid ? match[3] : '01';
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}
