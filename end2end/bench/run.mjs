// Measures one subject after the other on one demo, keeps the figures, and prints them as Markdown.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startDemo } from "./support/demo.mjs";
import { page } from "./support/markdown.mjs";
import { machine, surroundings } from "./support/process.mjs";

// In this order: memory first, while nothing else has made the console grow.
const SUBJECTS = {
  viewers: "Viewers",
  cold_load: "Cold load",
  rendering: "Rendering",
  freshness: "Freshness",
  audit: "Audit log",
  audit_search: "Audit search",
  terminating: "Terminating a backend",
  changing_primary: "Changing the primary",
  recoverability: "Recoverability",
};
// These start what they need themselves.
const ON_THEIR_OWN = ["audit", "audit_search", "terminating", "changing_primary", "recoverability"];
const BEGIN = "<!-- measured by end2end/bench/run.sh: begin -->";
const END = "<!-- measured by end2end/bench/run.sh: end -->";

const { values: options } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", default: Object.keys(SUBJECTS).join(",") },
    "audit-output": { type: "string" },
  },
});
const wanted = options.only.split(",");
const unknown = wanted.filter((name) => !(name in SUBJECTS));
if (unknown.length > 0) fail(`there is no ${unknown.join(", ")} to measure; there are ${Object.keys(SUBJECTS).join(", ")}`);
if (options.quick && options.write) fail("the figures of --quick mean nothing, so they are not written");

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const programs = resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target"), process.env.QUARTERDECK_PROFILE ?? "release");
const dir = resolve(process.env.QUARTERDECK_BENCH_DIR ?? join(root, ".quarterdeck/bench"));
const kept = `${dir}${options.quick ? "-quick" : ""}.json`;

let results = {};
try {
  results = JSON.parse(readFileSync(kept, "utf8"));
} catch {
  // Nothing was measured yet.
}

mkdirSync(dirname(dir), { recursive: true });
say("starting an estate and a console");
const needsDemo = wanted.some((name) => !ON_THEIR_OWN.includes(name));
const demo = needsDemo ? await startDemo(programs, dir) : { stop: async () => {} };
let broken = 0;
try {
  for (const name of Object.keys(SUBJECTS).filter((name) => wanted.includes(name))) {
    say(`measuring: ${SUBJECTS[name].toLowerCase()}`);
    try {
      const beside = await surroundings();
      if (beside.load1 > 2) say(`the load average is ${beside.load1.toFixed(1)}: something else is running, and the figures suffer`);
      const { measure } = await import(`./${name}.mjs`);
      const measured = await measure({ ...demo, programs, dir, root, quick: options.quick, auditOutput: options["audit-output"] });
      results[name] = { title: SUBJECTS[name], surroundings: beside, ...measured };
    } catch (error) {
      // The other subjects are worth having; the exit code tells.
      broken += 1;
      console.error(`bench: ${name} could not be measured:`, error);
    }
  }
} finally {
  await demo.stop();
}

const ordered = Object.fromEntries(Object.keys(SUBJECTS).filter((name) => name in results).map((name) => [name, results[name]]));
writeFileSync(kept, JSON.stringify(ordered, null, 2));
const markdown = page(ordered, machine());
console.log(markdown);
if (options.write && broken === 0) {
  const file = join(root, "docs/BENCHMARKS.md");
  const [before, rest] = readFileSync(file, "utf8").split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) fail(`${file} has no place for figures: it needs the lines ${BEGIN} and ${END}`);
  writeFileSync(file, `${before}${BEGIN}\n\n${markdown}\n\n${END}${after}`);
}
process.exit(broken === 0 ? 0 : 1);

function say(what) {
  console.error(`bench: ${what}`);
}

function fail(why) {
  say(why);
  process.exit(2);
}
