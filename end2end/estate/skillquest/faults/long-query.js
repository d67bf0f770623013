// Part of the fault "slow-queries": a report that runs for an hour. Once terminated it stays away: whoever killed it
// shall see that it helped.

import pg from 'pg';
import { stopOnSignal } from '../src/stop.js';

const client = new pg.Client({ connectionString: process.env.PRIMARY_URL, application_name: 'skillquest-report' });
client.on('error', () => {});
await client.connect();
client.query('/* monthly report */ SELECT count(*), pg_sleep(3600) FROM enrolments').catch(() => {});
// The process stays, so that its end can't be mistaken for a failure.
setInterval(() => {}, 60_000);
stopOnSignal();
