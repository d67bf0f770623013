// The nodes of the estate's PostgreSQL: which of them is the primary changes.
import { execFileSync } from "node:child_process";
import { operateNode } from "./console.mjs";

/** What psql answers at `url` to `sql`. */
export const ask = (url, sql) => execFileSync("psql", ["-X", "-A", "-t", "-c", sql, url], { encoding: "utf8" }).trim();

/** The node that is the primary now, as `estate.json` describes it: `{ name, url, superuser_url, … }`. */
export function primary(estate) {
  const node = estate.postgres.nodes.find(({ superuser_url }) => ask(superuser_url, "select not pg_is_in_recovery()") === "t");
  if (!node) throw new Error("no node is a primary");
  return node;
}

/** Whatever went wrong, the next test finds db-1 as the primary and db-2 as its standby, and no fault. */
export async function asBefore(estate, fault) {
  await fault("none");
  if (primary(estate).name === "db-1") return;
  await operateNode("db-2", "fence");
  ask(estate.postgres.nodes[0].superuser_url, "select pg_promote()");
  await fault("none");
}
