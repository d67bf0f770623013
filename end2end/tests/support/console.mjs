// Starts the estate and the console once for a run of the tests, through the same program as `make run`.
//
// Tests get them from `test` below: `baseURL` is set, `accounts` has one account a role, `signIn(role)` signs the page
// in, and `fault(name)` switches a fault of the estate on ("none": off).
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test as base, expect } from "@playwright/test";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const programs = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), process.env.QUARTERDECK_PROFILE ?? "debug");
const dir = process.env.QUARTERDECK_TEST_DIR ?? join(root, ".quarterdeck/test");

/** Playwright's global setup: returns the teardown. */
export default async function setUp() {
  // One that already runs there (`demo --dir …`) is used and left running: for whoever writes tests.
  if (runs(ready()?.pid)) return undefined;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const output = [];
  const demo = spawn(join(programs, "demo"), ["--dir", dir, "--port", "0", "--estate-base-port", "0"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let ended = null;
  demo.on("error", (error) => (ended = String(error)));
  const gone = new Promise((resolve) =>
    demo.on("exit", (code, signal) => {
      ended ??= signal ?? `exit code ${code}`;
      resolve();
    }),
  );
  for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (chunk) => output.push(chunk));
  // If the runner ends without a teardown, the demo ends too.
  const kill = () => demo.kill("SIGTERM");
  process.on("exit", kill);

  const deadline = Date.now() + 240_000;
  for (;;) {
    if (ended !== null) throw new Error(`the demo ended before it was ready (${ended}):\n${Buffer.concat(output)}`);
    if (Date.now() > deadline) {
      kill();
      throw new Error(`the demo was not ready in time:\n${Buffer.concat(output)}`);
    }
    if (ready()) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  return async () => {
    process.off("exit", kill);
    kill();
    await gone;
    // Reports are more use with the logs of what was tested.
    writeFileSync(join(dir, "demo.log"), Buffer.concat(output));
    if (ended !== "exit code 0") throw new Error(`the demo did not stop in an orderly way (${ended}):\n${Buffer.concat(output)}`);
  };
}

function ready() {
  try {
    return JSON.parse(readFileSync(join(dir, "demo.json"), "utf8"));
  } catch {
    return null;
  }
}

/** Signs an account in, through the form, as a person does. */
export async function signInAs(page, { name, password }) {
  await page.goto("/sign-in");
  await fillIn(page, name, password);
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** What opens the account menu. */
export const accountMenu = (page) => page.locator("summary", { hasText: "Account of" });

/** Sends the form of the sign-in page that is open. */
export async function fillIn(page, name, password) {
  await page.getByLabel("User name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

function runs(pid) {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Stops, kills, starts, fences or rejoins a node of the estate's PostgreSQL. */
export const operateNode = (name, command) =>
  promisify(execFile)(join(programs, "estate"), ["node", name, command, "--dir", join(dir, "estate")]);

export const test = base.extend({
  /** Address of the console. */
  baseURL: async ({}, use) => use(ready().url),

  /** { viewer: { name, role, password }, operator: …, approver: …, admin: …, auditor: … } */
  accounts: async ({}, use) => use(Object.fromEntries(ready().accounts.map((account) => [account.role, account]))),

  /** What `estate.json` says: addresses of all parts. */
  estate: async ({}, use) => use(JSON.parse(readFileSync(join(dir, "estate/estate.json"), "utf8"))),

  /** await signIn("operator"): through the form, as a person does. */
  signIn: async ({ page, accounts }, use) => use((role) => signInAs(page, accounts[role])),

  /** await stranger(): a page in another browser, which knows nothing of this one. */
  stranger: async ({ browser, contextOptions, baseURL, javaScriptEnabled, timezoneId, locale }, use) => {
    const contexts = [];
    await use(async () => {
      contexts.push(await browser.newContext({ ...contextOptions, baseURL, javaScriptEnabled, timezoneId, locale }));
      return contexts.at(-1).newPage();
    });
    for (const context of contexts) await context.close();
  },

  /** await fault("errors"): switches a fault on; all are off again after the test, and none shows any more. */
  fault: async ({ accounts, stranger }, use) => {
    const run = promisify(execFile);
    const set = (name) => run(join(programs, "estate"), ["fault", name, "--dir", join(dir, "estate")]);
    let touched = false;
    await use(async (name) => {
      touched = true;
      await set(name);
    });
    if (!touched) return;
    await set("none");
    // The next test begins with an estate that is well. A target that is missed on a busy machine is no fault.
    const page = await stranger();
    await signInAs(page, accounts.viewer);
    await expect
      .poll(async () => {
        const { groups } = await (await page.request.get("/api/v1/health")).json();
        return groups.flatMap((group) => group.tiles.filter((tile) => ["alert", "unknown"].includes(tile.band)).map((tile) => tile.id));
      }, { message: "metrics that are still not well", timeout: 120_000 })
      .toEqual([]);
  },

  /** What the browser may report besides, where a test breaks something on purpose. */
  expectedErrors: [[], { option: true }],

  /** Fails the test if the page writes an error to its console, or one of its scripts throws. */
  noConsoleErrors: [
    async ({ page, expectedErrors }, use) => {
      const errors = [];
      // A page that answers with an error status is an error to the browser; whether it should is for the test to say.
      const refused = new Set();
      page.on("response", (response) => response.status() >= 400 && response.request().isNavigationRequest() && refused.add(response.url()));
      page.on("console", (message) => {
        const { url } = message.location();
        if (message.type() === "error" && !(refused.has(url) && message.text().startsWith("Failed to load resource"))) errors.push(`${message.text()} (${url})`);
      });
      page.on("pageerror", (error) => errors.push(String(error)));
      await use(errors);
      expect(errors.filter((error) => !expectedErrors.some((expected) => expected.test(error))), "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };
