// Guarded actions without scripts.
import { test, expect, signInAs } from "../support/console.mjs";
import { client } from "../support/backends.mjs";

test("asking, agreeing and starting are plain forms", async ({ page, stranger, accounts, estate }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const report = await client(estate, "plain-report", "select pg_sleep(600)");
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  await signInAs(page, accounts.operator);
  await page.goto("/actions/new?kind=terminate_long_running&node=db-1&longer_than_s=5");
  await page.getByLabel("Reason").fill("It holds the pool.");
  await page.getByRole("button", { name: "Ask for approval" }).click();
  await expect(page.locator(".action-state")).toContainText("waits for approval");
  const approver = await stranger();
  await signInAs(approver, accounts.approver);
  await approver.goto(page.url());
  await approver.getByRole("button", { name: "Approve" }).click();
  await page.reload();
  await page.getByRole("button", { name: "Start it now" }).click();
  await expect(async () => {
    await page.reload();
    await expect(page.locator(".action-state")).toContainText("succeeded", { timeout: 500 });
  }).toPass({ timeout: 20_000 });
  expect(await report.gone).not.toBe(0);
});

test("a form that was refused comes back as it was filled in", async ({ page, accounts, estate }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const report = await client(estate, "refused-report", "select pg_sleep(600)");
  await signInAs(page, accounts.operator);
  await page.goto(`/actions/new?kind=terminate_backend&node=db-1&backend=${encodeURIComponent(report.backend)}`);
  await page.getByLabel("Reason").fill("It holds </textarea> the pool.");
  await page.getByLabel("to confirm").fill("something else");
  await page.getByRole("button", { name: "Terminate a backend now" }).click();
  await expect(page.getByRole("alert")).toContainText("type exactly what the form shows");
  await expect(page.getByLabel("Reason")).toHaveValue("It holds </textarea> the pool.");
  await expect(page.getByLabel("to confirm")).toHaveValue("something else");
  await page.getByLabel("to confirm").fill(await page.locator("kbd.typed").innerText());
  await page.getByRole("button", { name: "Terminate a backend now" }).click();
  await expect(page.locator(".action-reason")).toHaveText("It holds </textarea> the pool.");
  expect(await report.gone).not.toBe(0);
});
