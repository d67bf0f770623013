// The nodes of the estate's PostgreSQL: which of them is the primary changes.
import { execFileSync } from "node:child_process";

/** What psql answers at `url` to `sql`. */
export const ask = (url, sql) => execFileSync("psql", ["-X", "-A", "-t", "-c", sql, url], { encoding: "utf8" }).trim();

/** The node that is the primary now, as `estate.json` describes it: `{ name, url, superuser_url, … }`. */
export function primary(estate) {
  const node = estate.postgres.nodes.find(({ superuser_url }) => ask(superuser_url, "select not pg_is_in_recovery()") === "t");
  if (!node) throw new Error("no node is a primary");
  return node;
}
