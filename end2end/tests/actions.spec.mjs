// Guarded actions as two people do them.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, signInAs } from "./support/console.mjs";
import { client } from "./support/backends.mjs";

test("one asks, another agrees, and exactly what was agreed to is ended", async ({ page, stranger, accounts, estate }) => {
  const report = await client(estate, "monthly-report", "select pg_sleep(600)");
  await page.waitForTimeout(6_000);
  await signInAs(page, accounts.operator);
  await page.goto("/actions/new?kind=terminate_long_running&node=db-1&longer_than_s=5");
  await expect(page.getByText("Plan: nothing has happened yet")).toBeVisible();
  await expect(page.getByText(report.backend)).toBeVisible();
  await expect(page.getByText("One other person has to agree: approver.")).toBeVisible();
  await page.getByLabel("Reason").fill("It holds the pool.");
  await page.getByRole("button", { name: "Ask for approval" }).click();
  await expect(page).toHaveURL(/\/actions\/[0-9a-f-]{36}$/);
  const state = page.locator(".action-state");
  await expect(state).toContainText("waits for approval");
  await expect(page.getByRole("button", { name: "Approve" })).toHaveCount(0);

  const approver = await stranger();
  await signInAs(approver, accounts.approver);
  await approver.goto("/actions?which=mine");
  await expect(approver.getByRole("navigation", { name: "Pages", exact: true })).toContainText("1 waiting for you");
  await approver.getByRole("link", { name: /Terminate all long-running backends/ }).click();
  await expect(approver.getByText(report.backend)).toBeVisible();
  await expect(approver.getByText("It holds the pool.")).toBeVisible();
  await approver.getByRole("button", { name: "Approve" }).click();
  await expect(approver.locator(".action-state")).toContainText("ready to start");

  // Without a reload.
  await expect(state).toContainText("ready to start");
  await page.getByRole("button", { name: "Start it now" }).click();
  await expect(state).toContainText("succeeded");
  await expect(page.getByRole("list").filter({ hasText: "See that they are gone" })).toContainText("are gone");
  await expect(page.getByText("action.succeeded")).toBeVisible();
  expect(await report.gone).not.toBe(0);
});

test("one no ends it, and says why", async ({ page, stranger, accounts, estate }) => {
  const report = await client(estate, "weekly-report", "select pg_sleep(600)");
  await page.waitForTimeout(6_000);
  await signInAs(page, accounts.operator);
  await page.goto("/actions/new?kind=terminate_long_running&node=db-1&longer_than_s=5");
  await page.getByLabel("Reason").fill("It is slow.");
  await page.getByRole("button", { name: "Ask for approval" }).click();
  const approver = await stranger();
  await signInAs(approver, accounts.approver);
  await approver.goto(page.url());
  await approver.getByLabel(/Comment/).fill("The report is due at six.");
  await approver.getByRole("button", { name: "Reject" }).click();
  await expect(page.locator(".action-state")).toContainText("The report is due at six.");
  await expect(page.getByRole("button", { name: "Start it now" })).toHaveCount(0);
  report.stop();
});

test("what is dangerous is typed, and a mistake loses nothing", async ({ page, accounts, estate }) => {
  const report = await client(estate, "daily-report", "select pg_sleep(600)");
  await signInAs(page, accounts.operator);
  await page.goto(`/actions/new?kind=terminate_backend&node=db-1&backend=${encodeURIComponent(report.backend)}`);
  const name = await page.locator("kbd.typed").textContent();
  await page.getByLabel(/to confirm/).fill("yes");
  await page.getByRole("button", { name: "Terminate a backend now" }).click();
  await expect(page.getByText("type exactly what the form shows")).toBeVisible();
  await page.goBack();
  await page.getByLabel(/to confirm/).fill(name);
  await page.getByRole("button", { name: "Terminate a backend now" }).click();
  await expect(page.locator(".action-state")).toContainText("succeeded");
  expect(await report.gone).not.toBe(0);
});

for (const colorScheme of ["dark", "light"]) {
  test(`the pages of actions can be used by everyone, ${colorScheme}`, async ({ page, accounts, estate }) => {
    await page.emulateMedia({ colorScheme });
    const report = await client(estate, `report-${colorScheme}`, "select pg_sleep(600)");
    await signInAs(page, accounts.operator);
    const plan = `/actions/new?kind=cancel_query&node=db-1&backend=${encodeURIComponent(report.backend)}`;
    await page.goto(plan);
    await page.getByRole("button", { name: "Cancel a query now" }).click();
    await expect(page.locator(".action-state")).toContainText("succeeded");
    const action = page.url();
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const path of [plan, action, "/actions?which=all", "/actions/new?kind=maintenance_on"]) {
        await page.goto(path);
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations, `${path} at ${width}`).toEqual([]);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(sideways, `${path} at ${width}`).toBeLessThanOrEqual(0);
      }
    }
  });
}
