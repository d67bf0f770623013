// The API's queries, through PgBouncer in transaction pooling: no session state, no named statements.

import pg from 'pg';
import { isActive } from '../faults.js';
import { queryDuration, watchPool } from './metrics.js';

/** A query that could not be run for want of a connection; answered with 503. */
export class PoolExhausted extends Error {}

export function connect(url, log) {
  const pool = new pg.Pool({
    connectionString: url,
    max: 15,
    connectionTimeoutMillis: 3000,
    query_timeout: 15_000,
    application_name: 'skillquest-api',
  });
  pool.on('error', (error) => log('error', `A database connection broke: ${error.message}`));
  // The pool only listens to idle connections; one that breaks while in use would end the process.
  pool.on('connect', (connection) => connection.on('error', () => {}));
  watchPool(pool);

  async function acquire() {
    try {
      return await pool.connect();
    } catch (error) {
      throw /timeout exceeded when trying to connect/.test(error.message)
        ? new PoolExhausted('connection pool exhausted', { cause: error })
        : error;
    }
  }

  /** Runs one statement, timed under the name of the operation, and returns its rows. */
  async function query(operation, sql, parameters = []) {
    const done = queryDuration.startTimer({ operation });
    try {
      const connection = await acquire();
      let broken;
      try {
        if (isActive('slow-queries')) await connection.query('SELECT pg_sleep($1)', [injectedDelay()]);
        return (await connection.query(sql, parameters)).rows;
      } catch (error) {
        broken = error;
        throw error;
      } finally {
        // An error of the connection, not of the statement, makes it useless.
        connection.release(broken && !broken.severity ? broken : undefined);
      }
    } finally {
      done();
    }
  }

  return { query, close: () => pool.end() };
}

/** Seconds: mostly a third to two thirds, one in twenty-five over two, so that p99 suffers as well as p50. */
function injectedDelay() {
  return Math.random() < 0.04 ? 3 : 0.3 + Math.random() * 0.4;
}

/** Names of operations, so that their series exist before the first query. */
for (const operation of ['list_courses', 'get_course', 'leaderboard', 'list_enrolments', 'enrol']) {
  queryDuration.zero({ operation });
}
