// The fault "websockets": a crowd. Opens real WebSockets on the API until SOCKETS are open, and keeps them.

import WebSocket from 'ws';
import { stopOnSignal } from '../src/stop.js';

const urls = process.env.API_URLS.split(',').map((url) => `${url.replace(/^http/, 'ws')}/ws`);
const wanted = Number(process.env.SOCKETS);
/** Handshakes at a time: as fast as the API answers, without starving its other callers. */
const AT_A_TIME = 16;
let started = 0;

function open(url, settled) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on('open', settled);
  socket.on('error', () => {});
  socket.on('close', () => {
    settled();
    setTimeout(open, 2000, url, () => {});
  });
}

function next() {
  if (started >= wanted) return;
  const url = urls[started % urls.length];
  started += 1;
  let done = false;
  open(url, () => {
    if (!done) setImmediate(next);
    done = true;
  });
}

for (let i = 0; i < AT_A_TIME; i += 1) next();
stopOnSignal();
