// The WebSocket: tells a learner's browser what moves in its course.

import { WebSocketServer } from 'ws';
import { websockets } from './metrics.js';

const PING_EVERY_MS = 30_000;

/** Serves /ws on the HTTP server, except while `refuse()` holds. */
export function serveSockets(server, refuse) {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 4096 });
  websockets.set(0);

  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (refuse()) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    } else if (new URL(request.url, 'http://api').pathname !== '/ws') {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    } else {
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client));
    }
  });

  sockets.on('connection', (client) => {
    websockets.set(sockets.clients.size);
    client.alive = true;
    client.on('pong', () => {
      client.alive = true;
    });
    client.on('error', () => client.terminate());
    client.on('close', () => websockets.set(sockets.clients.size));
    client.send('{"type":"welcome"}');
  });

  // A peer that vanished without a word is noticed by its silence.
  setInterval(() => {
    for (const client of sockets.clients) {
      if (!client.alive) client.terminate();
      client.alive = false;
      client.ping();
    }
  }, PING_EVERY_MS).unref();
}
