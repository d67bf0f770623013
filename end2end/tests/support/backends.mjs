// Clients of the estate's database that run one long query each, as the console sees them.
import { spawn } from "node:child_process";
import { ask, primary } from "./nodes.mjs";

const url = (superuser) => {
  const address = new URL(superuser);
  address.username = "skillquest";
  address.pathname = "/skillquest";
  return String(address);
};

/** A client that runs `sql` under an application name; `{ backend, gone, stop }`: the console's name of it, when it has ended, and what ends it. */
export async function client(estate, application, sql) {
  const superuser = primary(estate).superuser_url;
  const psql = spawn("psql", ["-X", "-q", "-c", sql, url(superuser)], { env: { ...process.env, PGAPPNAME: application }, stdio: "ignore" });
  const gone = new Promise((resolve) => psql.on("exit", resolve));
  const query = `select pid || '@' || to_char(backend_start at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                   from pg_stat_activity where application_name = '${application}' and state = 'active'`;
  for (let tries = 0; tries < 100; tries++) {
    const backend = ask(superuser, query);
    // A query goes on when its client is gone: the backend is what has to end.
    if (backend) return { backend, gone, stop: () => ask(superuser, `select pg_terminate_backend(${backend.split("@")[0]})`) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${application} did not become active`);
}
