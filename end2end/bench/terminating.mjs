// From the click that terminates a backend until it is gone: runs the Rust benchmark, and makes a table of what it printed.
import { bench } from "./support/cargo.mjs";
import { row } from "./support/markdown.mjs";
import { spread } from "./support/statistics.mjs";

const show = (ms) => `${ms.toFixed(0)} ms`;

export async function measure({ root, quick }) {
  const samples = await bench(root, "terminating", quick ? 3 : 50);
  const gone = spread(samples.map((sample) => sample.gone_ms));
  const ended = spread(samples.map((sample) => sample.ended_ms));
  const line = (what, { min, median, p90, max }) => [what, ...[min, median, p90, max].map(show)];
  return {
    rows: [row("From the click to the backend gone (median)", { value: gone.median, show })],
    details: [
      ["from the request", "min", "median", "90th percentile", "max"],
      line("until the backend is gone from `pg_stat_activity`", gone),
      line("until the action has seen that, and is recorded as ended", ended),
    ],
    notes: [`${gone.count} backends, one after the other.`],
  };
}
