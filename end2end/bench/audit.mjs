// Audit appends a second: runs the Rust benchmark, or reads what it printed.
import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { row } from "./support/markdown.mjs";

export async function measure({ root, auditOutput }) {
  const text = auditOutput ? readFileSync(auditOutput, "utf8") : await bench(root);
  const lines = [...text.matchAll(/^ *(\d+) +(\d+) +(\d+) +([\d.]+) +(\d+) +([\d.]+)$/gm)].map((match) => match.slice(1).map(Number));
  if (lines.length === 0) throw new Error(`the benchmark audit_appends printed no figures:\n${text}`);
  const verified = text.match(/verified (\d+) rows at (\d+) rows\/s/);
  if (!verified) throw new Error(`the chain that the benchmark wrote was not verified:\n${text}`);
  const count = (n) => Number(n).toLocaleString("en");
  const best = lines.reduce((a, b) => (b[4] > a[4] ? b : a));
  return {
    rows: [row("Audit appends a second, durable, chained", { value: best[4], show: (n) => `${count(n)}/s` })],
    details: [
      ["writers", "plain insert/s (baseline)", "one by one/s", "ratio", "batched/s", "ratio"],
      ...lines.map(([writers, plain, single, singleRatio, batched, batchedRatio]) => [
        writers, count(plain), count(single), singleRatio.toFixed(2), count(batched), batchedRatio.toFixed(2),
      ]),
    ],
    // What ran beside a benchmark that somebody else has run, nobody here has seen.
    ...(auditOutput && { surroundings: { at: statSync(auditOutput).mtime.toISOString().slice(0, 16) + "Z" } }),
    notes: [`Every row written was then verified: ${count(verified[1])} rows at ${count(verified[2])} rows/s.`],
  };
}

async function bench(root) {
  const run = promisify(execFile);
  const { stdout } = await run("cargo", ["bench", "-p", "quarterdeck", "--bench", "audit_appends"], { cwd: root, maxBuffer: 1e8 });
  return stdout;
}
