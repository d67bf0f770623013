// Clients of the estate's database that run one long query each, as the console sees them.
import { execFileSync, spawn } from "node:child_process";

const url = (estate) => {
  const address = new URL(estate.postgres.primary_superuser_url);
  address.username = "skillquest";
  address.pathname = "/skillquest";
  return String(address);
};

/** A client that runs `sql` under an application name; `{ backend, gone, stop }`: the console's name of it, when it has ended, and what ends it. */
export async function client(estate, application, sql) {
  const psql = spawn("psql", ["-X", "-q", "-c", sql, url(estate)], { env: { ...process.env, PGAPPNAME: application }, stdio: "ignore" });
  const gone = new Promise((resolve) => psql.on("exit", resolve));
  const query = `select pid || '@' || to_char(backend_start at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                   from pg_stat_activity where application_name = '${application}' and state = 'active'`;
  const ask = (sql) => execFileSync("psql", ["-X", "-A", "-t", "-c", sql, estate.postgres.primary_superuser_url], { encoding: "utf8" }).trim();
  for (let tries = 0; tries < 100; tries++) {
    const backend = ask(query);
    // A query goes on when its client is gone: the backend is what has to end.
    if (backend) return { backend, gone, stop: () => ask(`select pg_terminate_backend(${backend.split("@")[0]})`) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${application} did not become active`);
}
