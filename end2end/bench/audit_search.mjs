// How long searches of the audit log take at ten million rows, through the REST API of a console of its own.
//
// The rows are made by the database in bulk, as one a transaction would take hours: each has its text, its place in the
// chain and its search columns as the console would have written them, and the console proves some before it is measured.
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { FILL, BEGIN_MS, STEP_MS } from "./support/audit_rows.mjs";
import { row } from "./support/markdown.mjs";
import { memory } from "./support/process.mjs";
import { signIn } from "./support/session.mjs";
import { quantile } from "./support/statistics.mjs";

const run = promisify(execFile);
const CHUNK = 100_000;

export async function measure({ programs, quick }) {
  const rows = quick ? 200_000 : 10_000_000;
  const times = quick ? 5 : 200;
  // One that was filled before (and left running by a run that was stopped) can be measured again, for whoever works on searching.
  const filled = process.env.QUARTERDECK_BENCH_AUDIT_DATABASE;
  // PostgreSQL refuses root, and its own user can't go everywhere.
  const work = mkdtempSync(join(tmpdir(), "quarterdeck-bench-"));
  const undo = [];
  try {
    const database = filled ?? (await startPostgres(work, undo));
    const deck = await startConsole({ programs, work, database, undo });
    if (!filled) await fill(database, rows);
    await prove(deck, rows);
    const measured = [];
    for (const search of searches(rows)) measured.push({ ...search, ...(await time(deck, database, search, rows, times)) });
    const exported = await takeAway(deck, rows);
    return report({ rows, times, measured, exported, bytes: await size(database) });
  } finally {
    for (const stop of undo.reverse()) await stop();
    rmSync(work, { recursive: true, force: true });
  }
}

/** What people look for, and what is hard to find; `where` asks the baseline for the same. */
function searches(rows) {
  const text = (ms) => new Date(ms).toISOString().slice(0, 19);
  const hourAt = (share) => {
    const begin = BEGIN_MS + share * rows * STEP_MS;
    const [from, to] = [text(begin), text(begin + 3_600_000)];
    return { query: `from=${from}&to=${to}`, where: `recorded_at >= '${from}Z' and recorded_at < '${to}Z'` };
  };
  const [middle, old] = [hourAt(0.5), hourAt(0.05)];
  return [
    { name: "the newest rows", query: "", where: "true" },
    { name: "from somewhere on, at random", query: "", where: "true", anywhere: true },
    { name: "an actor of a fifth of all rows", query: "actor=user1", where: "actor_name = 'user1'", anywhere: true },
    { name: "an actor of five rows", query: "actor=rare", where: "actor_name = 'rare'" },
    { name: "one object", query: "object_kind=account&object_id=user17", where: "object_kind = 'account' and object_id = 'user17'" },
    {
      name: "a family of actions that failed",
      query: "action=session.*&outcome=failed",
      where: "action in ('session.opened', 'session.refused', 'session.closed', 'session.revoked', 'session.reuse_detected') and outcome = 'failed'",
    },
    {
      name: "an actor of five rows with a common action",
      query: "actor=rare&action=session.opened&outcome=succeeded",
      where: "actor_name = 'rare' and action = 'session.opened' and outcome = 'succeeded'",
    },
    {
      name: "a common actor with a rare outcome",
      query: "actor=user1&outcome=failed",
      where: "actor_name = 'user1' and outcome = 'failed'",
    },
    { name: "an hour in the middle", ...middle },
    { name: "a common actor in an hour long ago", query: `actor=user1&${old.query}`, where: `actor_name = 'user1' and ${old.where}` },
    {
      name: "common parts that never meet",
      query: "actor=user1&action=access.refused",
      where: "actor_name = 'user1' and action = 'access.refused'",
      anywhere: true,
    },
    {
      name: "six parts that never meet",
      query: "actor=user1&actor_kind=user&action=access.*&object_kind=permission&outcome=refused&object_id=audit.view",
      where:
        "actor_name = 'user1' and actor_kind = 'user' and action = 'access.refused' and object_kind = 'permission' and outcome = 'refused' and object_id = 'audit.view'",
      anywhere: true,
    },
  ];
}

/** Milliseconds of `times` answers, what they held, and what PostgreSQL needs for the same without any of it. */
async function time(deck, database, { query, where, anywhere }, rows, times) {
  const samples = [];
  let found = 0;
  let interrupted = 0;
  for (let i = -3; i < times; i += 1) {
    const before = anywhere ? `&before=${1_000 + Math.floor(Math.random() * rows)}` : "";
    const begin = performance.now();
    const answer = await deck.ask(`/api/v1/audit?${query}${before}`);
    const took = performance.now() - begin;
    // The first few fill caches of code and connections.
    if (i < 0) continue;
    samples.push(took);
    found += answer.rows.length;
    interrupted += answer.searched_to === null ? 0 : 1;
  }
  const plain = [];
  for (let i = 0; i < 3; i += 1) {
    const before = anywhere ? `seq < ${1_000 + Math.floor(Math.random() * rows)} and` : "";
    plain.push(await explain(database, `select * from quarterdeck.audit_events where ${before} ${where} order by seq desc limit 51`));
  }
  return {
    p50: quantile(samples, 0.5),
    p99: quantile(samples, 0.99),
    max: quantile(samples, 1),
    found: found / times,
    interrupted: interrupted / times,
    plain: quantile(plain, 1),
  };
}

const PLAIN_LIMIT_MS = 60_000;

/** Milliseconds that a statement takes in the database; the limit if it takes longer. */
async function explain(database, statement) {
  try {
    const text = await sql(database, `set statement_timeout = ${PLAIN_LIMIT_MS}; explain (analyze, timing off, format json) ${statement}`);
    return JSON.parse(text.slice(text.indexOf("[")))[0]["Execution Time"];
  } catch (error) {
    if (String(error.stderr).includes("statement timeout")) return PLAIN_LIMIT_MS;
    throw error;
  }
}

/** Takes a tenth of the log away, and watches the console's memory meanwhile. */
async function takeAway(deck, rows) {
  const from = new Date(BEGIN_MS + 0.4 * rows * STEP_MS).toISOString().slice(0, 19);
  const to = new Date(BEGIN_MS + 0.5 * rows * STEP_MS).toISOString().slice(0, 19);
  const before = memory(deck.pid).rss;
  let most = before;
  const begin = performance.now();
  const answer = await deck.fetch(`/api/v1/audit/export?format=jsonl&from=${from}&to=${to}`);
  let bytes = 0;
  let tail = Buffer.alloc(0);
  for await (const piece of answer.body) {
    bytes += piece.length;
    tail = Buffer.concat([tail, piece]).subarray(-2_000);
    if (Math.random() < 0.02) most = Math.max(most, memory(deck.pid).rss);
  }
  const seconds = (performance.now() - begin) / 1_000;
  const last = JSON.parse(tail.toString().trimEnd().split("\n").pop());
  if (!(last.selection?.rows > rows / 20)) throw new Error(`the export broke off: its last line is ${JSON.stringify(last)}`);
  return { rows: last.selection.rows, seconds, bytes, grown: most - before };
}

async function prove(deck, rows) {
  for (const seq of [1, 2, Math.floor(rows / 3), rows - 1, rows]) {
    const entry = await deck.ask(`/api/v1/audit/${seq}`);
    if (!entry.verifies) throw new Error(`row ${seq} does not verify: ${JSON.stringify(entry.checks)}`);
  }
}

async function startPostgres(work, undo) {
  const [version] = readdirSync("/usr/lib/postgresql").sort((a, b) => b - a);
  const bin = `/usr/lib/postgresql/${version}/bin`;
  const data = join(work, "data");
  const root = process.getuid() === 0;
  const as = (argv) => (root ? ["setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", ...argv]] : [argv[0], argv.slice(1)]);
  if (root) await run("chown", ["postgres:postgres", work]);
  await run(...as([`${bin}/initdb`, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata", data]), { cwd: "/" });
  const port = await freePort();
  const settings = [
    ["listen_addresses", "127.0.0.1"],
    ["unix_socket_directories", ""],
    ["port", port],
    ["shared_buffers", "1GB"],
    ["max_wal_size", "2GB"],
    ["maintenance_work_mem", "512MB"],
    // A scratch cluster: what is measured only reads.
    ["fsync", "off"],
    ["synchronous_commit", "off"],
  ];
  const [program, argv] = as([`${bin}/postgres`, "-D", data, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])]);
  start(program, argv, work, undo, "SIGINT");
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await until(() => run("psql", ["-qXtA", url, "-c", "select 1"]), "PostgreSQL");
  return url;
}

async function startConsole({ programs, work, database, undo }) {
  const quarterdeck = join(programs, "quarterdeck");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(work, "quarterdeck.toml");
  // Nothing is watched: nobody answers at that address.
  writeFileSync(
    config,
    `[server]\nlisten = "127.0.0.1:${port}"\npublic_url = "${url}"\n[database]\nurl = "${database}"\n` +
      `[prometheus]\nurl = "http://127.0.0.1:9"\n`,
  );
  await run(quarterdeck, ["migrate", "--config", config]);
  const account = { name: `auditor-${randomBytes(4).toString("hex")}`, password: randomBytes(16).toString("hex") };
  const add = run(quarterdeck, ["user", "add", account.name, "--role", "auditor", "--password-stdin", "--config", config]);
  add.child.stdin.end(`${account.password}\n`);
  await add;
  const pid = start(quarterdeck, ["serve", "--config", config], work, undo, "SIGTERM");
  await until(async () => (await fetch(`${url}/-/ready`)).ok || Promise.reject(), "the console");
  const deck = {
    pid,
    signedIn: null,
    fetch: async (path) => {
      // Access tokens live for minutes, and filling takes longer.
      if (deck.signedIn === null || Date.now() - deck.signedIn.at > 120_000) {
        deck.signedIn = { at: Date.now(), cookie: await signIn(url, account) };
      }
      const answer = await fetch(url + path, { headers: { cookie: deck.signedIn.cookie } });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer;
    },
    ask: async (path) => (await deck.fetch(path)).json(),
  };
  return deck;
}

/** Replaces what the console has written so far by `rows` rows; indexes are made afterwards. */
async function fill(database, rows) {
  await sql(database, FILL);
  const indexes = (await sql(database, "select indexname || E'\\t' || indexdef from pg_indexes where tablename = 'audit_events' and indexdef not like '%UNIQUE%'"))
    .split("\n")
    .map((line) => line.split("\t"));
  for (const [name] of indexes) await sql(database, `drop index quarterdeck.${name}`);
  for (let from = 1; from <= rows; from += CHUNK) {
    await sql(database, `call bench_fill(${from}, ${Math.min(rows, from + CHUNK - 1)})`);
  }
  for (const [, definition] of indexes) await sql(database, definition);
  await sql(database, "vacuum (analyze) quarterdeck.audit_events");
  await sql(database, "vacuum (analyze) quarterdeck.audit_spans");
}

const size = async (database) => Number(await sql(database, "select pg_total_relation_size('quarterdeck.audit_events')"));

function report({ rows, times, measured, exported, bytes }) {
  const ms = (n) => (n >= PLAIN_LIMIT_MS ? `> ${PLAIN_LIMIT_MS / 1_000} s` : n >= 1_000 ? `${(n / 1_000).toFixed(1)} s` : `${n.toFixed(1)} ms`);
  const count = (n) => Math.round(n).toLocaleString("en");
  const worst = measured.reduce((a, b) => (b.p99 > a.p99 ? b : a));
  const millions = `${(rows / 1e6).toFixed(rows < 1e6 ? 1 : 0)} million rows`;
  return {
    rows: [
      row(`Audit search p99 at ${millions}, the slowest of ${measured.length} searches`, { value: worst.p99, show: ms }),
      row(`Audit rows exported a second (JSON Lines)`, { value: exported.rows / exported.seconds, show: (n) => `${count(n)}/s` }),
    ],
    details: [
      ["search", "p50", "p99", "max", "rows an answer", "answers that say \"search on\"", "plain SQL (slowest of 3)"],
      ...measured.map(({ name, p50, p99, max, found, interrupted, plain }) => [
        name, ms(p50), ms(p99), ms(max), found.toFixed(found % 1 === 0 ? 0 : 1), `${(interrupted * 100).toFixed(0)} %`, ms(plain),
      ]),
    ],
    notes: [
      `${times} answers each of up to 50 rows, one after the other. \`audit_events\` with its indexes takes ${(bytes / 1e9).toFixed(1)} GB.`,
      `The export took ${count(exported.rows)} rows (${(exported.bytes / 1e6).toFixed(0)} MB) away in ${exported.seconds.toFixed(0)} s, while the console grew by ${(exported.grown / 1e6).toFixed(1)} MB.`,
    ],
  };
}

async function sql(database, text) {
  const { stdout } = await run("psql", ["-qXtA", "-v", "ON_ERROR_STOP=1", database, "-c", text], { maxBuffer: 1e8 });
  return stdout.trim();
}

function start(program, argv, work, undo, signal) {
  const log = openSync(join(work, `${program.split("/").pop()}.log`), "a");
  const child = spawn(program, argv, { stdio: ["ignore", log, log], cwd: "/" });
  const kill = () => child.kill(signal);
  process.on("exit", kill);
  const gone = new Promise((resolve) => child.on("exit", resolve).on("error", resolve));
  undo.push(async () => {
    process.off("exit", kill);
    kill();
    await gone;
  });
  return child.pid;
}

async function until(holds, what) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ready = await holds().then(() => true, () => false);
    if (ready) return;
    if (Date.now() > deadline) throw new Error(`${what} was not ready after 60 s`);
    await sleep(100);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
