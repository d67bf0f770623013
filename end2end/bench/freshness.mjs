// How long it takes from a changed figure to the pushed event, and where the time goes.
//
// A tiny exporter changes a value at a random moment. A Prometheus of its own scrapes it every second; two consoles poll
// that Prometheus, one every 5 s (the default), one every second; each has a viewer. Between a console and Prometheus sits a
// proxy that notes when it asks and when it is answered.
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { row } from "./support/markdown.mjs";
import { signIn } from "./support/session.mjs";
import { view } from "./support/sse.mjs";
import { spread } from "./support/statistics.mjs";
import { presentEvent } from "./viewers.mjs";

const run = promisify(execFile);
const METRIC = "bench_value";
const INTERVALS_MS = [5_000, 1_000];
/** More than the console's deadband, which is 0.5 % of the alert threshold. */
const STEP = 40;

export async function measure({ programs, dir, estate, quick }) {
  // Moves on with each restart of the fast console, whose polls would otherwise keep one distance to the scrapes.
  const [rounds, changes] = quick ? [1, 3] : [4, 8];
  const work = join(dir, "freshness");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const undo = [];
  try {
    const exporter = await startExporter(undo);
    const prometheus = await startPrometheus(work, exporter.port, undo);
    const samples = Object.fromEntries(INTERVALS_MS.map((interval) => [interval, []]));
    for (let round = 0; round < rounds; round += 1) {
      const started = [];
      try {
        const watched = [];
        for (const interval of INTERVALS_MS) {
          watched.push(await startConsole({ programs, work, estate, prometheus, interval, undo: started }));
          await sleep(Math.random() * 1_000);
        }
        for (let change = 0; change < changes; change += 1) {
          await sleep(1_000 + Math.random() * 2_000);
          const value = exporter.change();
          const deadline = performance.now() + 30_000;
          while (!watched.every((console) => console.pushed.has(value))) {
            if (performance.now() > deadline) throw new Error(lost(value, exporter, watched, work));
            await sleep(20);
          }
          for (const console of watched) samples[console.interval].push(legs(exporter, console, value));
        }
      } finally {
        for (const stop of started.reverse()) await stop();
      }
    }
    return report(samples);
  } finally {
    for (const stop of undo.reverse()) await stop();
  }
}

function lost(value, exporter, watched, work) {
  const stations = watched.map(({ interval, answers, pushed }) => {
    const way = [exporter.scraped.has(value) && "scraped", answers.has(value) && "answered", pushed.has(value) && "pushed"];
    return `polled every ${interval} ms: ${way.filter(Boolean).join(", ") || "nothing"}`;
  });
  return `the value ${value} was not pushed to every viewer within 30 s (${stations.join("; ")}); see the logs in ${work}`;
}

/** The parts of one value's way, in ms. */
function legs(exporter, console, value) {
  const { asked, answered } = console.answers.get(value);
  const changed = exporter.changed.get(value);
  const scraped = exporter.scraped.get(value);
  const pushed = console.pushed.get(value);
  return { total: pushed - changed, scrape: scraped - changed, poll: asked - scraped, query: answered - asked, push: pushed - answered };
}

async function startExporter(undo) {
  const changed = new Map();
  const scraped = new Map();
  let value = 1_000;
  const server = createServer((_, response) => {
    scraped.set(value, scraped.get(value) ?? performance.now());
    response.end(`# TYPE ${METRIC} gauge\n${METRIC} ${value}\n`);
  });
  const port = await listen(server, undo);
  return { port, changed, scraped, change: () => (changed.set((value += STEP), performance.now()), value) };
}

async function startPrometheus(work, exporterPort, undo) {
  const port = await freePort();
  const config = join(work, "prometheus.yml");
  writeFileSync(
    config,
    `scrape_configs:\n  - job_name: bench\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    static_configs: [{ targets: ["127.0.0.1:${exporterPort}"] }]\n`,
  );
  start("prometheus", [`--config.file=${config}`, `--storage.tsdb.path=${join(work, "tsdb")}`, `--web.listen-address=127.0.0.1:${port}`], work, undo);
  await until(async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok, "Prometheus");
  return port;
}

async function startConsole({ programs, work, estate, prometheus, interval, undo }) {
  const quarterdeck = join(programs, "quarterdeck");
  const answers = new Map();
  const proxy = await listen(noting(prometheus, answers), undo);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const name = `quarterdeck_bench_${interval}`;
  const superuser = estate.postgres.nodes[0].superuser_url;
  const database = new URL(superuser);
  database.pathname = `/${name}`;
  await run("psql", ["-qX", superuser, "-c", `drop database if exists ${name} with (force)`, "-c", `create database ${name}`]);
  const config = join(work, `${name}.toml`);
  const profile = join(work, "profile.toml");
  writeFileSync(profile, PROFILE);
  const text = (value) => JSON.stringify(String(value));
  writeFileSync(
    config,
    `[server]\nlisten = "127.0.0.1:${port}"\npublic_url = "${url}"\n[database]\nurl = ${text(database)}\n` +
      `[prometheus]\nurl = "http://127.0.0.1:${proxy}"\n[profile]\npath = ${text(profile)}\n[poller]\ninterval_ms = ${interval}\n`,
  );
  await run(quarterdeck, ["migrate", "--config", config]);
  const account = { name: "viewer", password: randomBytes(16).toString("hex") };
  const add = run(quarterdeck, ["user", "add", account.name, "--role", "viewer", "--password-stdin", "--config", config]);
  add.child.stdin.end(`${account.password}\n`);
  await add;
  start(quarterdeck, ["serve", "--config", config], work, undo);
  await until(async () => (await fetch(`${url}/-/ready`)).ok, "the console");
  const cookie = await signIn(url, account);
  const pushed = new Map();
  let text_so_far = "";
  const viewer = await view(url, `/api/v1/events?since=${await presentEvent(url, cookie)}`, cookie, (more) => {
    const now = performance.now();
    const lines = (text_so_far + more).split("\n");
    text_so_far = lines.pop();
    for (const line of lines.filter((line) => line.startsWith("data: "))) {
      const data = JSON.parse(line.slice(6));
      const value = data.v?.[METRIC] ?? data.m?.[METRIC]?.v;
      if (value !== undefined && value !== null && !pushed.has(value)) pushed.set(value, now);
    }
  });
  undo.push(() => viewer.close());
  return { interval, answers, pushed };
}

/** A proxy to Prometheus; `answers` gets for each value when the query was asked that saw it first, and when it was answered. */
function noting(prometheus, answers) {
  return createServer((incoming, outgoing) => {
    const asked = performance.now();
    const { method, url } = incoming;
    // Compressed, an answer could not be looked into.
    const headers = { ...incoming.headers, "accept-encoding": "identity" };
    const onward = ask({ host: "127.0.0.1", port: prometheus, method, path: url, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        const answered = performance.now();
        if (new URL(url, "http://x").pathname === "/api/v1/query") {
          for (const [, value] of body.toString("latin1").matchAll(/"(\d{4})"\]/g)) {
            if (!answers.has(Number(value))) answers.set(Number(value), { asked, answered });
          }
        }
        outgoing.writeHead(answer.statusCode, answer.headers);
        outgoing.end(body);
      });
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
}

function report(samples) {
  const s = (ms) => `${(ms / 1_000).toFixed(2)} s`;
  const all = ({ min, median, p90, max }, show) => [min, median, p90, max].map(show).join(" / ");
  const of = (interval, leg) => spread(samples[interval].map((sample) => sample[leg]));
  const ms = (n) => `${Math.round(n)} ms`;
  return {
    rows: INTERVALS_MS.map((interval) =>
      row(`From a changed figure to the pushed event, polling every ${interval / 1_000} s (median)`, {
        value: of(interval, "total").median,
        show: s,
      }),
    ),
    details: [
      ["poll interval", "changes", "in all", "until it is scraped (1 s)", "until it is asked for", "Prometheus answers", "judged and pushed"],
      ...INTERVALS_MS.map((interval) => [
        `${interval / 1_000} s`,
        samples[interval].length,
        all(of(interval, "total"), s),
        all(of(interval, "scrape"), s),
        all(of(interval, "poll"), s),
        all(of(interval, "query"), ms),
        all(of(interval, "push"), ms),
      ]),
    ],
    notes: ["Each cell: minimum / median / 90th percentile / maximum."],
  };
}

const PROFILE = `
[profile]
id = "bench"
title = "Bench"
[defaults]
stale_after_s = 30
raise_after_s = 10
clear_after_s = 20
[[group]]
id = "bench"
title = "Bench"
[[metric]]
id = "${METRIC}"
title = "A value"
description = "Moves when the benchmark says so."
group = "bench"
kind = "gauge"
unit = "count"
query = "${METRIC}"
freshness = "${METRIC}"
target = 5000
alert = 6000
direction = "lower_is_better"
`;

function start(program, argv, work, undo) {
  const log = openSync(join(work, `${program.split("/").pop()}.log`), "a");
  const child = spawn(program, argv, { stdio: ["ignore", log, log], cwd: work });
  const kill = () => child.kill("SIGTERM");
  process.on("exit", kill);
  const gone = new Promise((resolve) => child.on("exit", resolve).on("error", resolve));
  undo.push(async () => {
    process.off("exit", kill);
    kill();
    await gone;
  });
}

async function until(holds, what) {
  const deadline = Date.now() + 60_000;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${what} was not ready after 60 s`);
    await sleep(50);
  }
}

async function listen(server, undo) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => (server.closeAllConnections?.(), server.close()));
  return server.address().port;
}

async function freePort() {
  const server = createTcpServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
