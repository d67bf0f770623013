// Starts a demo estate with a console on it, through the same program as `make run`, and stops both.
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 240_000;

/**
 * A fresh estate in `dir`, made by the programs in `programs`. Gives { url, accounts, estate, pid, stop }: `accounts` by role,
 * `estate` as `estate.json` says it, `pid` of the console.
 */
export async function startDemo(programs, dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const log = createWriteStream(join(dir, "demo.log"));
  const demo = spawn(join(programs, "demo"), ["--dir", dir, "--port", "0", "--estate-base-port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  demo.stdout.pipe(log);
  demo.stderr.pipe(log);
  let ended = null;
  demo.on("error", (error) => (ended = String(error)));
  const gone = new Promise((resolve) => demo.on("exit", (code, signal) => resolve((ended ??= signal ?? `exit code ${code}`))));
  const kill = () => demo.kill("SIGTERM");
  process.on("exit", kill);

  const deadline = Date.now() + PATIENCE_MS;
  let ready = null;
  while ((ready = read(join(dir, "demo.json"))) === null) {
    if (ended !== null) throw new Error(`the demo ended before it was ready (${ended}); see ${dir}/demo.log`);
    if (Date.now() > deadline) throw new Error(`the demo was not ready after ${PATIENCE_MS / 1000} s; see ${dir}/demo.log`);
    await sleep(100);
  }
  return {
    url: ready.url,
    accounts: Object.fromEntries(ready.accounts.map((account) => [account.role, account])),
    estate: read(join(dir, "estate/estate.json")),
    pid: Number(readFileSync(join(dir, "console.pid"), "utf8")),
    stop: async () => {
      process.off("exit", kill);
      kill();
      await gone;
    },
  };
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}
