// Sessions of the watched database, live: on an estate whose queries are slow.
import { test, expect } from "./support/console.mjs";

const row = (page, application) => page.locator(".session-list tbody tr").filter({ hasText: application });

/** Waits for an answer of the API, and gives it. */
const refreshed = async (page) => (await page.waitForResponse((response) => response.url().includes("/api/v1/database/sessions") && response.ok())).json();

test("a long query appears by itself, with its age, and without its literals", async ({ page, signIn, fault }) => {
  test.setTimeout(180_000);
  await signIn("operator");
  await page.goto("/database");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sessions on db-1");
  await expect(row(page, "skillquest-report")).toHaveCount(0);
  await fault("slow-queries");
  const report = row(page, "skillquest-report");
  await expect(report).toHaveCount(1, { timeout: 30_000 });
  await expect(report).toContainText("SELECT count(*), pg_sleep(?) FROM enrolments");
  await expect(report).toContainText("Timeout: PgSleep");
  // Its age grows while one looks, in the same row.
  const handle = await report.elementHandle();
  const age = () => handle.$eval(".session-age", (cell) => parseInt(cell.textContent, 10));
  const before = await age();
  await expect.poll(age, { timeout: 30_000 }).toBeGreaterThan(before);
  // It is the oldest, and what it leads to names it and no other.
  const answer = await refreshed(page);
  const backend = answer.backends.find(({ application }) => application === "skillquest-report");
  expect(answer.backends.indexOf(backend)).toBe(0);
  await expect(report.getByRole("link", { name: `Terminate ${backend.pid}` })).toHaveAttribute(
    "href",
    `/actions/new?kind=terminate_backend&node=db-1&backend=${encodeURIComponent(backend.id)}`,
  );
  const cancel = new URL(await report.getByRole("link", { name: `Cancel query of ${backend.pid}` }).getAttribute("href"), page.url());
  expect(cancel.searchParams.get("backend")).toBe(backend.id);
  expect(cancel.searchParams.get("query_start")).toBe(backend.query_started_at);
  // The standby and the console are there, and are left alone.
  await expect(row(page, "streams WAL to db-2")).toContainText("Never touched");
  await expect(row(page, "a connection of this console").first()).toBeVisible();
});

test("a row stays under the pointer and keeps the focus while others come and go", async ({ page, signIn, fault }) => {
  test.setTimeout(180_000);
  await signIn("operator");
  await fault("slow-queries");
  await page.goto("/database");
  // One whose query ends while one looks: not the report, which stands first.
  const name = await page.getByRole("link", { name: /^Cancel query of/ }).nth(2).getAttribute("aria-label");
  const link = page.getByRole("link", { name, exact: true });
  await link.focus();
  const order = () => page.locator(".session-list tbody tr").evaluateAll((rows) => rows.map(({ id }) => id));
  const before = await order();
  for (let i = 0; i < 3; i++) await refreshed(page);
  await expect(link).toBeFocused();
  expect((await order()).slice(0, before.length)).toEqual(before);
});

test("it asks no more while it is paused or not looked at, and says how old it is", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/database");
  await refreshed(page);
  let asked = 0;
  page.on("request", (request) => (asked += request.url().includes("/api/v1/database/sessions")));
  await page.getByRole("button", { name: "Pause" }).click();
  await page.waitForTimeout(500);
  asked = 0;
  await expect(page.locator(".sessions-as-of")).toHaveText(/^As of \d\d:\d\d:\d\d, \d+ s ago$/, { timeout: 30_000 });
  expect(asked).toBe(0);
  await page.getByRole("button", { name: "Pause" }).click();
  await refreshed(page);
  await expect(page.locator(".sessions-as-of")).toHaveText(/^As of \d\d:\d\d:\d\d$/);
});

test.describe("when the console does not answer", () => {
  test.use({ expectedErrors: [/ERR_FAILED/] });

  test("what is shown stays, and says so", async ({ page, signIn }) => {
    await signIn("viewer");
    await page.goto("/database");
    await refreshed(page);
    const rows = await page.locator(".session-list tbody tr").count();
    await page.route("**/api/v1/database/sessions*", (route) => route.abort());
    await expect(page.getByRole("status").filter({ hasText: "did not answer" })).toBeVisible();
    expect(await page.locator(".session-list tbody tr").count()).toBe(rows);
    await page.unroute("**/api/v1/database/sessions*");
    await expect(page.getByRole("status").filter({ hasText: "did not answer" })).toHaveCount(0);
  });
});
