// Benchmarks in Rust.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Runs one that prints a JSON object a line; gives the objects. */
export async function bench(root, name, count, of = "quarterdeck") {
  const run = promisify(execFile);
  const { stdout } = await run("cargo", ["bench", "-p", of, "--bench", name, "--", String(count)], { cwd: root, maxBuffer: 1e8 });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  if (lines.length === 0) throw new Error(`the benchmark ${name} printed no figures:\n${stdout}`);
  return lines.map((line) => JSON.parse(line));
}
