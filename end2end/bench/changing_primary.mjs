// Changing the primary: runs the Rust benchmark, and makes a table of what it printed.
import { bench } from "./support/cargo.mjs";
import { row } from "./support/markdown.mjs";
import { spread } from "./support/statistics.mjs";

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const WAYS = [
  ["switchover", "console", "the console", "PgBouncer"],
  ["switchover", "pg_ctl", "`PAUSE`, `pg_ctl stop`, `pg_ctl promote`, `RESUME`", "PgBouncer"],
  ["switchover", "Patroni", "Patroni", "HAProxy"],
  ["switchover", "console and Patroni", "Patroni, asked by the console", "HAProxy"],
  ["failover", "console", "the console", "PgBouncer"],
  ["failover", "pg_ctl", "`KILL`, `pg_ctl promote`, `RESUME`", "PgBouncer"],
  ["failover", "Patroni", "Patroni, asked", "HAProxy"],
  ["failover", "console and Patroni", "Patroni, asked by the console", "HAProxy"],
  ["failover", "Patroni by itself", "Patroni by itself, from the kill", "HAProxy"],
];

export async function measure({ root, quick }) {
  const samples = await bench(root, "changing_primary", quick ? 1 : 5);
  const of = (kind, by, figure) => {
    const values = samples.filter((sample) => sample.kind === kind && sample.by === by).map((sample) => sample[figure]);
    return spread(values);
  };
  const cell = ({ min, median, max }) => [min, median, max].map(seconds).join(" / ");
  return {
    rows: [
      row("Switchover, from start to the first write (median)", { value: of("switchover", "console", "first_write_ms").median, show: seconds }),
      row("Failover, from start to the first write (median)", { value: of("failover", "console", "first_write_ms").median, show: seconds }),
    ],
    details: [
      ["change", "by", "clients through", "start to first write", "longest time without a write"],
      ...WAYS.map(([kind, by, name, through]) => {
        // Of a primary that was killed before, the time without a write began with the kill.
        const gap = kind === "switchover" || by === "Patroni by itself" ? cell(of(kind, by, "gap_ms")) : "";
        return [kind, name, through, cell(of(kind, by, "first_write_ms")), gap];
      }),
    ],
    notes: [`Each cell: minimum / median / maximum of ${of("switchover", "console", "gap_ms").count}, each on a cluster made anew.`],
  };
}
