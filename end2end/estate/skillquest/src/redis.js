// A Redis client that gives up soon: a service without its cache is slower, a service that waits for it is down.

import Redis from 'ioredis';

export function connect(url, log, options = {}) {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 1,
    commandTimeout: 1000,
    connectTimeout: 1000,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1000),
    ...options,
  });
  let complained = false;
  redis.on('ready', () => {
    complained = false;
  });
  redis.on('error', (error) => {
    // One line an outage, not one a reconnection attempt.
    if (!complained) log('error', `Redis is unreachable: ${error.message}`);
    complained = true;
  });
  return redis;
}
