// Load on a server: as much as it takes (wrk), and at a steady rate whatever the answers take (an open loop of our own).
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SCRIPT = fileURLToPath(new URL("wrk.lua", import.meta.url));
/** The open loop's connections; more requests at once than this wait, and their wait counts. */
const CONNECTIONS = 64;

/**
 * wrk on `url` with `connections` connections for `seconds`: { per_second, p50_ms, p99_ms, max_ms, requests, bytes, errors }.
 * Each connection asks again as soon as it is answered.
 */
export async function flatOut(url, { headers, connections, seconds }) {
  const set = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const wrk = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", SCRIPT, ...set, url];
  const { stdout } = await promisify(execFile)("wrk", wrk);
  const result = JSON.parse(stdout.trim().split("\n").pop());
  if (result.errors > 0) throw new Error(`${result.errors} of ${result.requests} requests to ${url} failed`);
  return result;
}

/**
 * Requests to `url` at `perSecond`, at random moments (a Poisson process), for `seconds`. An answer's time counts from the
 * moment at which the request was due, not from when it was sent: a server that stalls does not get fewer requests for it.
 * Gives the times in ms; the first second is not among them.
 */
export async function steady(url, { headers, perSecond, seconds }) {
  const { hostname, port, pathname, host } = new URL(url);
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const idle = [];
  const waiting = [];
  const times = [];
  const begin = performance.now();
  const end = begin + seconds * 1_000;
  let open = 0;
  let failure = null;
  let finished = () => {};

  const send = (connection, due) => {
    connection.due = due;
    connection.socket.write(request);
  };
  const answered = (connection) => {
    const now = performance.now();
    if (connection.due - begin > 1_000) times.push(now - connection.due);
    open -= 1;
    if (waiting.length > 0) send(connection, waiting.shift());
    else idle.push(connection);
    if (open === 0) finished();
  };
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => connection(hostname, port, answered, (error) => (failure ??= error))),
  );
  idle.push(...connections);

  let due = begin;
  while (due < end && failure === null) {
    // Timers fire up to a millisecond late; that is counted as if it were the server's.
    for (const now = performance.now(); due <= now && due < end; due += (-Math.log(1 - Math.random()) * 1_000) / perSecond) {
      open += 1;
      const free = idle.pop();
      if (free) send(free, due);
      else waiting.push(due);
    }
    await new Promise((resolve) => (due - performance.now() > 1 ? setTimeout(resolve, 1) : setImmediate(resolve)));
  }
  if (open > 0 && failure === null) {
    const late = setTimeout(() => finished((failure = new Error(`${open} requests to ${url} were not answered within 10 s`))), 10_000);
    await new Promise((resolve) => (finished = resolve));
    clearTimeout(late);
  }
  for (const { socket } of connections) socket.destroy();
  if (failure !== null) throw failure;
  return times;
}

/** A connection that has one request under way at most, and finds the end of its answer. */
async function connection(hostname, port, answered, failed) {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const self = { socket, due: 0 };
  let tail = "";
  let left = null; // bytes of the body that are still to come; null: not known yet; -1: chunked
  socket.on("data", (data) => {
    if (left === null) {
      tail += data.toString("latin1");
      const head = tail.indexOf("\r\n\r\n");
      if (head < 0) return;
      if (!tail.startsWith("HTTP/1.1 200")) return failed(new Error(`an answer was no page: ${tail.slice(0, head).split("\r\n")[0]}`));
      const length = tail.slice(0, head).match(/\r\ncontent-length: (\d+)/i);
      left = length ? Number(length[1]) - (tail.length - head - 4) : -1;
    } else if (left === -1) {
      tail = tail.slice(-8) + data.subarray(-8).toString("latin1");
    } else {
      left -= data.length;
    }
    if (left === -1 ? tail.endsWith("\r\n0\r\n\r\n") : left <= 0) {
      left = null;
      tail = "";
      answered(self);
    }
  });
  socket.on("error", failed);
  socket.on("close", (broken) => broken || self.socket.destroyed || failed(new Error("the server closed a connection")));
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return self;
}
