// The fault "pool": a client that leaks connections. Opens real sessions on the primary, past PgBouncer, until the
// wanted share of what ordinary roles may open is in use, and sits on them.

import pg from 'pg';
import { stopOnSignal } from '../src/stop.js';

const SHARE = 0.93;
const connectionString = process.env.PRIMARY_URL;
const held = new Set();
const sizes = `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS usable,
                      (SELECT count(*)::int FROM pg_stat_activity WHERE datname IS NOT NULL) AS used`;

async function open() {
  const client = new pg.Client({ connectionString, application_name: 'skillquest-leak', connectionTimeoutMillis: 3000 });
  client.on('error', () => held.delete(client));
  client.on('end', () => held.delete(client));
  await client.connect();
  held.add(client);
  return client;
}

/** Others come and go, and someone may terminate ours: look again every second. */
async function fill() {
  try {
    const [first] = held.size ? held : [await open()];
    const { usable, used } = (await first.query(sizes)).rows[0];
    for (let missing = Math.ceil(usable * SHARE) - used; missing > 0; missing -= 1) await open();
  } catch {
    // The primary may be down, or full already.
  }
  setTimeout(fill, 1000);
}

fill();
stopOnSignal();
