// The overview with its scripts: live, calm, and right about a fault.
import { test, expect } from "./support/console.mjs";
import { metrics } from "./support/handbook.mjs";

const live = (page) => expect(page.getByText("Live", { exact: true })).toBeVisible();
const tile = (page, title) => page.locator(".tile").filter({ has: page.getByRole("link", { name: title, exact: true }) });

/** Sums up the browser's layout shifts from the first paint on. */
const watchShifts = (page) =>
  page.addInitScript(() => {
    window.shifts = { sum: 0, moved: [] };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        window.shifts.sum += entry.value;
        window.shifts.moved.push(...entry.sources.map(({ node }) => node?.parentElement?.className || node?.nodeName));
      }
    }).observe({ type: "layout-shift", buffered: true });
  });

const boxes = (page) => page.locator(".tile").evaluateAll((all) => all.map((tile) => JSON.stringify(tile.getBoundingClientRect())));

test("becomes live without losing what the server sent", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await live(page);
  await expect(page.locator(".tile")).toHaveCount(metrics.length);
  for (const metric of metrics) {
    await expect(tile(page, metric.title).locator(".value"), metric.id).toHaveText(/\d/);
    await expect(tile(page, metric.title), metric.id).toContainText(`alert ${metric.alert}`);
    // Times become the reader's own: how long, and in their zone.
    await expect(tile(page, metric.title).locator(".since"), metric.id).toHaveText(/^for \d+ (s|min|h|d)/);
  }
});

test("values and the time of reading change without a reload, and nothing moves", async ({ page, signIn }) => {
  await watchShifts(page);
  await signIn("viewer");
  await page.goto("/");
  await live(page);
  const before = await boxes(page);
  await page.evaluate(() => (window.sameDocument = true));
  const readAt = page.locator(".verdict-time time");
  const values = page.locator(".tile .value");
  const firstReadAt = await readAt.getAttribute("datetime");
  const firstValues = await values.allTextContents();

  await expect(readAt).not.toHaveAttribute("datetime", firstReadAt);
  await expect.poll(async () => (await values.allTextContents()).join(), { timeout: 40_000 }).not.toBe(firstValues.join());
  // Through several polls.
  const seen = new Set();
  await expect.poll(async () => seen.add(await readAt.getAttribute("datetime")).size, { timeout: 40_000, intervals: [500] }).toBeGreaterThan(3);

  expect(await page.evaluate(() => window.sameDocument), "still the same document").toBe(true);
  expect(await boxes(page), "where the tiles are").toEqual(before);
  const shifts = await page.evaluate(() => window.shifts);
  expect(shifts.sum, `layout shifts, of ${shifts.moved}`).toBeLessThan(0.01);
});

test("the time that is shown is the reader's", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await live(page);
  const time = page.locator(".verdict-time time");
  await expect(time).toHaveText(/^\d\d:\d\d:\d\d$/);
  await expect(async () => {
    const shown = await time.evaluate((time) => [time.textContent, time.dateTime]);
    const berlin = new Date(shown[1]).toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin" });
    expect(shown[0]).toBe(berlin);
  }).toPass();
});

test("a fault turns its tile to Alert, the verdict follows and is told, and both recover", async ({ page, signIn, fault }) => {
  test.setTimeout(180_000);
  await signIn("operator");
  await page.goto("/");
  await live(page);
  await page.evaluate(() => (window.sameDocument = true));
  const pool = tile(page, "DB connection pool utilization");
  const verdict = page.getByRole("heading", { level: 1 });
  await expect(pool.locator(".band-word")).toHaveText("OK");
  const act = pool.getByRole("link", { name: "Act on DB connection pool utilization: Cancel queries, end sessions" });
  await expect(act).toBeHidden();
  await expect(verdict).not.toContainText("in alert");
  const background = await pool.evaluate((tile) => getComputedStyle(tile).backgroundColor + getComputedStyle(tile).borderColor);
  const before = await boxes(page);

  await fault("pool");
  await expect(pool.locator(".band-word")).toHaveText("Alert", { timeout: 60_000 });
  await expect(pool.locator(".value")).toHaveText(/^(8[5-9]|9\d|100)(\.\d)?\s*%/);
  await expect(pool).toContainText("worst: db-1");
  await expect(pool.locator(".since")).toHaveText(/^for \d+ s$/);
  await expect(verdict).toContainText("1 in alert");
  await expect(page.locator(".verdict")).toHaveAttribute("data-band", "alert");
  const worst = page.getByRole("list", { name: "Not well, the worst first" });
  await expect(worst.getByRole("link", { name: /^Alert: .*DB connection pool utilization/ })).toHaveAttribute("href", "/health/db_pool_utilization");
  await expect(page.locator("[aria-live=polite]").first()).toHaveText(/DB connection pool utilization: Alert, was (OK|Degraded)/);
  const group = page.getByRole("region", { name: /^Database ?\d+ not OK$/ });
  await expect(group).toBeVisible();
  // Not by the word alone.
  expect(await pool.evaluate((tile) => getComputedStyle(tile).backgroundColor + getComputedStyle(tile).borderColor)).not.toBe(background);
  // Where the need arises, for somebody who may.
  await expect(act).toBeVisible();
  await expect(act).toHaveAttribute("href", "/database");
  // The list of what is not well may take room above; among themselves the tiles stay.
  const size = (all) => all.map((box) => ({ ...JSON.parse(box), y: 0, top: 0, bottom: 0 }));
  expect(size(await boxes(page))).toEqual(size(before));

  await fault("none");
  await expect(pool.locator(".band-word")).toHaveText("OK", { timeout: 90_000 });
  await expect(verdict).not.toContainText("in alert");
  await expect(worst.getByRole("link", { name: /DB connection pool/ })).toHaveCount(0);
  await expect(page.locator("[aria-live=polite]").first()).toHaveText(/DB connection pool utilization: OK, was (Alert|Degraded)/);
  expect(await page.evaluate(() => window.sameDocument), "still the same document").toBe(true);

  // And it is on record.
  await pool.getByRole("link").click();
  const rows = page.getByRole("table", { name: "Changes of band" }).getByRole("row");
  await expect(rows.nth(1)).toContainText(/(Alert|Degraded)\s*to\s*OK/);
  await expect(rows.filter({ hasText: /to\s*Alert/ }).first()).toContainText("db-1");
});
