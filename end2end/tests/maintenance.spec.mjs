// Maintenance mode as two people switch it, and what its users see meanwhile.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, signInAs } from "./support/console.mjs";

/** What users get: `[courses, health]` of each API process. */
async function outside(request, estate) {
  const status = async (url) => (await request.get(url)).status();
  return Promise.all(estate.api.urls.map(async (url) => [await status(`${url}/api/v1/courses`), await status(`${url}/health`)]));
}

/** The silences that are in force. */
async function silences(request, estate) {
  const all = await (await request.get(`${estate.alertmanager.url}/api/v2/silences`)).json();
  return all.filter((silence) => silence.status.state !== "expired");
}

const banner = (page) => page.getByRole("complementary", { name: "Maintenance mode" });

test.afterEach(async ({ request, estate }) => {
  // Whatever went wrong, the next test finds a service that serves.
  for (const url of estate.api.admin_urls) await request.post(`${url}/maintenance`, { data: { enabled: false } });
});

test("an operator asks, an approver agrees, and users get 503 until it is switched off", async ({ page, stranger, accounts, request, estate }) => {
  await signInAs(page, accounts.operator);
  const panel = page.getByRole("region", { name: "Maintenance mode" });
  await expect(panel.locator(".maintenance-mode")).toContainText("off");
  await expect(panel.getByRole("row", { name: /courses of api-0/ })).toContainText("200");
  await expect(banner(page)).toBeHidden();

  const watcher = await stranger();
  await signInAs(watcher, accounts.viewer);
  await watcher.goto("/");

  await panel.getByRole("link", { name: "Switch it on …" }).click();
  await page.getByLabel("Expected to last, minutes").fill("20");
  await page.getByLabel("Message to users").fill("We are back at noon.");
  await page.getByRole("button", { name: "Show what would happen" }).click();
  await expect(page.getByText("all passed")).toBeVisible();
  await expect(page.getByText(`${estate.api.admin_urls[1]}/maintenance`).first()).toBeVisible();
  await page.getByLabel("Reason").fill("Migration of the course tables.");
  await page.getByLabel(/to confirm/).fill("the service");
  await page.getByRole("button", { name: "Ask for approval" }).click();
  await expect(page.locator(".action-state")).toContainText("waits for approval");
  expect(await outside(request, estate)).toEqual([[200, 200], [200, 200]]);

  const approver = await stranger();
  await signInAs(approver, accounts.approver);
  await approver.goto(page.url());
  await approver.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator(".action-state")).toContainText("ready to start");
  await page.getByRole("button", { name: "Start it now" }).click();
  await expect(page.locator(".action-state")).toContainText("succeeded");
  await expect(page.getByText(/Seen from outside after .* courses of api-0 503/).first()).toBeVisible();
  expect(await outside(request, estate)).toEqual([[503, 200], [503, 200]]);
  const [silence] = await silences(request, estate);
  expect(silence.comment).toContain("Migration of the course tables.");
  expect(silence.matchers[0].value).toContain("HighAPIErrorRate");

  // Who watches sees it without a reload, and everyone on every page.
  await expect(banner(watcher)).toContainText("Maintenance mode is on");
  await expect(banner(watcher)).toContainText("Migration of the course tables.");
  await expect(watcher.getByRole("region", { name: "Maintenance mode" }).locator(".maintenance-mode")).toContainText("on");
  for (const path of ["/actions", "/account/sessions", "/health/api_error_rate"]) {
    await approver.goto(path);
    await expect(banner(approver)).toContainText(`by ${accounts.operator.name}`);
  }

  await page.goto("/account/sessions");
  await banner(page).getByRole("link", { name: "Switch it off" }).click();
  await page.getByRole("button", { name: "Switch maintenance mode off now" }).click();
  await expect(page.locator(".action-state")).toContainText("succeeded");
  expect(await outside(request, estate)).toEqual([[200, 200], [200, 200]]);
  await expect(banner(watcher)).toBeHidden();
  await page.goto("/account/sessions");
  await expect(banner(page)).toBeHidden();
  // The rules look back for five minutes; so long, and no longer, it stays silent.
  const [tail] = await silences(request, estate);
  expect(Date.parse(tail.endsAt) - Date.now()).toBeLessThan(340_000);
});

test("a switch that somebody throws elsewhere is noticed", async ({ page, accounts, request, estate }) => {
  await signInAs(page, accounts.operator);
  await expect(banner(page)).toBeHidden();
  for (const url of estate.api.admin_urls) await request.post(`${url}/maintenance`, { data: { enabled: true } });
  await expect(banner(page)).toContainText("was not switched on by this console", { timeout: 30_000 });
  await request.post(`${estate.api.admin_urls[0]}/maintenance`, { data: { enabled: false } });
  await expect(banner(page)).toContainText("on in part", { timeout: 30_000 });
  await request.post(`${estate.api.admin_urls[1]}/maintenance`, { data: { enabled: false } });
  await expect(banner(page)).toBeHidden({ timeout: 30_000 });
});

for (const colorScheme of ["dark", "light"]) {
  test(`the banner can be used by everyone, ${colorScheme}`, async ({ page, accounts, request, estate }) => {
    await page.emulateMedia({ colorScheme });
    await signInAs(page, accounts.operator);
    for (const url of estate.api.admin_urls) await request.post(`${url}/maintenance`, { data: { enabled: true } });
    await expect(banner(page)).toBeVisible({ timeout: 30_000 });
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto("/");
      await expect(banner(page)).toBeVisible();
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations, `at ${width}`).toEqual([]);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(sideways, `at ${width}`).toBeLessThanOrEqual(0);
    }
  });
}

test("users are served again, and the figures come to say so", async ({ page, signIn }) => {
  test.setTimeout(240_000);
  await signIn("viewer");
  // What comes after finds an estate that is well.
  await expect
    .poll(async () => {
      const { groups } = await (await page.request.get("/api/v1/health")).json();
      return groups.flatMap((group) => group.tiles.filter((tile) => tile.band !== "ok").map((tile) => tile.id));
    }, { message: "metrics that are still not well", timeout: 220_000 })
    .toEqual([]);
});
