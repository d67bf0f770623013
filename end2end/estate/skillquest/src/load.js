// Steady synthetic traffic: learners who browse, look at leaderboards, enrol now and then, keep a WebSocket open and
// ask for AI content.
//
// API_URLS: comma separated. LOAD_RPS: requests a second in all. LOAD_SOCKETS: open WebSockets in all.

import { Agent, request } from 'node:http';
import WebSocket from 'ws';
import { stopOnSignal } from './stop.js';
import { span } from './trace.js';

const urls = process.env.API_URLS.split(',');
const perSecond = Number(process.env.LOAD_RPS ?? 30);
const sockets = Number(process.env.LOAD_SOCKETS ?? 36);
const COURSES = 24;
const USERS = 120;
/** Well before a session's hour is over. */
const SIGN_IN_EVERY_MS = 30 * 60_000;
const BETWEEN_SIGN_INS_MS = 10;
const AI_JOB_EVERY_MS = 2000;
/** One AI job in ten is worth the large model; that keeps a day under 50 dollars. */
const CRITICAL_SHARE = 0.1;
/** More than this under way means that the API doesn't keep up; real learners would give up as well. */
const MAX_UNDER_WAY = 150;

const agent = new Agent({ keepAlive: true, maxSockets: 100, timeout: 30_000 });
let underWay = 0;
let turn = 0;

const pick = (count) => 1 + Math.floor(Math.random() * count);
/** A few courses are popular. */
const pickCourse = () => 1 + Math.floor(COURSES * Math.random() ** 2);

function send(method, path, body, user = pick(USERS)) {
  if (underWay >= MAX_UNDER_WAY) return;
  underWay += 1;
  turn += 1;
  const text = body && JSON.stringify({ userId: user, ...body });
  const outgoing = request(
    new URL(path, urls[turn % urls.length]),
    {
      method,
      agent,
      timeout: 20_000,
      headers: {
        traceparent: span().traceparent,
        'x-user-id': `usr_${user}`,
        'x-tenant-id': `tenant_${String(1 + (user % 3)).padStart(3, '0')}`,
        ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    },
    (response) => response.resume(),
  );
  outgoing.on('timeout', () => outgoing.destroy());
  outgoing.on('error', () => {});
  outgoing.on('close', () => {
    underWay -= 1;
  });
  outgoing.end(text);
}

function learner() {
  const dice = Math.random();
  if (dice < 0.4) send('GET', `/api/v1/courses/${pickCourse()}/leaderboard`);
  else if (dice < 0.6) send('GET', '/api/v1/courses');
  else if (dice < 0.8) send('GET', `/api/v1/courses/${pickCourse()}`);
  else if (dice < 0.98) send('GET', `/api/v1/users/${pick(USERS)}/enrolments`);
  else send('POST', '/api/v1/enrolments', { courseId: pickCourse() });
}

function keepSocketOpen(url) {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`);
  socket.on('error', () => {});
  socket.on('close', () => setTimeout(keepSocketOpen, 1000 + Math.random() * 2000, url));
}

/** Independent learners arrive at random: exponential gaps. */
function arrivals() {
  learner();
  setTimeout(arrivals, (-Math.log(1 - Math.random()) * 1000) / perSecond);
}

function signAllIn() {
  for (let user = 1; user <= USERS; user += 1) {
    setTimeout(send, user * BETWEEN_SIGN_INS_MS, 'POST', '/api/v1/sessions', {}, user);
  }
}

signAllIn();
setInterval(signAllIn, SIGN_IN_EVERY_MS);
setTimeout(arrivals, (USERS + 50) * BETWEEN_SIGN_INS_MS);
for (let i = 0; i < sockets; i += 1) keepSocketOpen(urls[i % urls.length]);
// Not before they are signed in: the first after two seconds.
setInterval(
  () => send('POST', '/api/v1/generations', { prompt: 'Write a quiz.', critical: Math.random() < CRITICAL_SHARE }),
  AI_JOB_EVERY_MS,
);
stopOnSignal();
