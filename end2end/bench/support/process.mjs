// What a process costs, and what the machine is and does, from /proc.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Memory of a process: { rss, pss } in bytes. PSS counts pages shared with others by their share. */
export function memory(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (key) => Number(text.match(new RegExp(`^${key}:\\s+(\\d+) kB`, "m"))[1]) * 1024;
  return { rss: bytes("Rss"), pss: bytes("Pss") };
}

/** CPU seconds that a process has used since it began, user and system. */
export function cpuSeconds(pid) {
  // The second field, the name, may hold spaces: count after its closing parenthesis.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** What runs beside the measurement: { load1, busy }, busy as a share of all cores over two seconds. */
export async function surroundings() {
  const before = ticks();
  await sleep(2_000);
  const after = ticks();
  return {
    at: new Date().toISOString().slice(0, 16) + "Z",
    load1: loadavg()[0],
    busy: 1 - (after.idle - before.idle) / (after.all - before.all),
  };
}

function ticks() {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: fields[3] + fields[4], all: fields.reduce((sum, n) => sum + n, 0) };
}

/** One sentence about the machine. */
export function machine() {
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  const cores = cpus();
  return `${cores.length} cores of ${cores[0].model.trim()}, ${gib} GiB of memory, Linux ${release()}, Node.js ${process.version}`;
}
