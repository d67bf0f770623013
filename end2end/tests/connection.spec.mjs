// What the page says when it no longer hears from the console.
import { test, expect } from "./support/console.mjs";

const live = (page) => expect(page.getByText("Live", { exact: true })).toBeVisible();

// The browser says in its console that requests failed: they do.
test.use({ expectedErrors: [/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|ERR_FAILED|ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED/] });

test.beforeEach(({ signIn }) => signIn("viewer"));

test("a lost connection is said, values look old, and it comes back by itself", async ({ page }) => {
  // The stream is closed by whoever is in between, and for a while no new one is let through.
  let broken = false;
  let release;
  await page.route("**/api/v1/events*", async (route) => {
    if (broken) return route.abort("connectionfailed");
    // Nothing comes through but the opening: the answer ends, as when a proxy gives up.
    const closed = new Promise((resolve) => (release = resolve));
    await closed;
    return route.abort("connectionfailed");
  });
  await page.goto("/");
  await expect.poll(() => release !== undefined).toBe(true);
  broken = true;
  release();

  const banner = page.getByRole("alert").filter({ hasText: "Connection lost" });
  await expect(banner).toHaveText(/^Connection lost: values as of \d\d:\d\d:\d\d, retrying\./);
  await expect(page.getByText("Connection lost", { exact: true })).toBeVisible();
  await expect(page.locator(".board")).toHaveClass(/is-stale/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(/^Unknown: Not current\. At \d\d:\d\d:\d\d: /);
  const looks = (page) => page.locator(".tile .value").first().evaluate((value) => {
    const chain = [];
    for (let element = value.firstElementChild; element; element = element.parentElement) chain.push(getComputedStyle(element).opacity, getComputedStyle(element).filter, getComputedStyle(element).color);
    return chain.join();
  });
  const stale = await looks(page);

  await page.unroute("**/api/v1/events*");
  await live(page);
  await expect(banner).toHaveCount(0);
  await expect(page.locator(".board")).not.toHaveClass(/is-stale/);
  await expect(page.getByRole("heading", { level: 1 })).not.toContainText("Not current");
  await expect.poll(() => looks(page), "tiles that are current look otherwise").not.toBe(stale);
});

test("silence counts as a lost connection, and the console's clock is the one that is shown", async ({ page }) => {
  // Nothing comes for longer than the console is ever silent: the browser's clock jumps ahead, as after a sleep.
  await page.clock.install();
  await page.goto("/");
  await live(page);
  await page.evaluate(() => (window.sameDocument = true));
  const banner = page.getByRole("alert").filter({ hasText: "Connection lost" });
  await page.clock.fastForward(60_000);
  await expect(banner).toBeVisible();

  await live(page);
  await expect(banner).toHaveCount(0);
  await expect(page.locator(".board")).not.toHaveClass(/is-stale/);
  expect(await page.evaluate(() => window.sameDocument)).toBe(true);
});

test("the page of a metric says it too", async ({ page }) => {
  await page.route("**/api/v1/events*", (route) => route.abort("connectionfailed"));
  await page.goto("/health/redis_ops");
  await expect(page.getByRole("alert").filter({ hasText: "Connection lost" })).toBeVisible();
  await expect(page.locator(".metric-now")).toHaveClass(/is-stale/);
  await expect(page.locator(".metric-now")).toContainText(/Not current: as of \d\d:\d\d:\d\d/);
  await page.unroute("**/api/v1/events*");
  await live(page);
  await expect(page.locator(".metric-now")).not.toHaveClass(/is-stale/);
});
