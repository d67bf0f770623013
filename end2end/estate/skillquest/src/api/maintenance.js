// Maintenance mode: everything but health (and metrics) is answered with 503.
//
// MAINTENANCE_MODE=true sets it at start, as on the real deployment. There a change of the variable is a rolling
// restart; here the same is done without one, by a listener of its own that only this machine can reach:
//   GET  /maintenance            {"enabled":false}
//   POST /maintenance            {"enabled":true}

import { createServer } from 'node:http';
import { readJson } from './body.js';

let enabled = process.env.MAINTENANCE_MODE === 'true';

export const inMaintenance = () => enabled;

export function serveMaintenanceSwitch(port, log) {
  const server = createServer(async (request, response) => {
    const answer = (status, body) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (new URL(request.url, 'http://admin').pathname !== '/maintenance') return answer(404, { error: 'not found' });
    if (request.method === 'POST') {
      const body = await readJson(request).catch(() => null);
      if (typeof body?.enabled !== 'boolean') return answer(400, { error: '"enabled" must be true or false' });
      if (body.enabled !== enabled) log('warn', `Maintenance mode ${body.enabled ? 'enabled' : 'disabled'}`);
      enabled = body.enabled;
    } else if (request.method !== 'GET') {
      return answer(405, { error: 'GET or POST' });
    }
    return answer(200, { enabled });
  });
  server.listen(port, '127.0.0.1');
  return server;
}
