// To which instants one could return, out of a large inventory: runs the Rust benchmark, and makes a table of what it printed.
import { bench } from "./support/cargo.mjs";
import { row } from "./support/markdown.mjs";
import { spread } from "./support/statistics.mjs";

const STEPS = {
  order: "segments put in order",
  continuity: "what is there and missing of each timeline",
  map: "the map",
  answer: "whether one instant can be reached",
  exposure: "how much would be lost now, out of two days of positions every 5 s",
  retention: "what goes because it is old",
  forecast: "holes of the next seven days",
};
const show = (ms) => `${ms < 1 ? ms.toFixed(3) : ms.toFixed(1)} ms`;
const megabytes = (kb) => `${(kb / 1024).toFixed(1)} MB`;

export async function measure({ root, quick }) {
  const samples = await bench(root, "recoverability", quick ? 3 : 50, "quarterdeck-domain");
  const of = (what) => spread(samples.filter((sample) => sample.what === what).map((sample) => sample.ms));
  const memory = samples.find((sample) => sample.peak_kb !== undefined);
  const line = (what) => {
    const { min, median, p90, max } = of(what);
    return [STEPS[what], ...[min, median, p90, max].map(show)];
  };
  return {
    rows: [
      row("The map over 100,000 WAL segments and 10,000 backups (median)", { value: of("map").median, show }),
      row("Memory of that beyond what was listed, at its largest", { value: memory.peak_kb, show: megabytes }),
    ],
    details: [["over 100,000 segments and 10,000 backups", "min", "median", "90th percentile", "max"], ...Object.keys(STEPS).map(line)],
    notes: [
      `${of("map").count} times one after the other, on one core. What was listed takes ${megabytes(memory.inventory_kb)}; the rules take ${megabytes(memory.peak_kb)} beyond that at most, a copy of what was listed included.`,
    ],
  };
}
