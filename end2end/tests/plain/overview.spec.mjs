// The overview as it comes over the wire: complete before any script.
import { test, expect } from "../support/console.mjs";
import { bands, groups, metrics } from "../support/handbook.mjs";

const region = (page, group) => page.getByRole("region", { name: new RegExp(`^${group} ?(all OK|\\d+ not OK)$`) });

test.beforeEach(async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
});

test("shows every metric of the handbook with value, unit, band, target and alert", async ({ page }) => {
  const tiles = page.locator(".tile");
  await expect(tiles).toHaveCount(metrics.length);
  for (const metric of metrics) {
    const tile = region(page, metric.group)
      .getByRole("listitem")
      .filter({ has: page.getByRole("link", { name: metric.title, exact: true }) });
    await expect(tile, metric.id).toHaveCount(1);
    await expect(tile.getByRole("heading", { name: metric.title, exact: true })).toBeVisible();
    const value = tile.locator(".value");
    await expect(value, metric.id).toHaveText(/\d/);
    await expect(value, metric.id).toContainText(metric.unit);
    await expect(tile.locator(".band-word"), metric.id).toHaveText(bands);
    await expect(tile, metric.id).toContainText(`target ${metric.target}`);
    await expect(tile, metric.id).toContainText(`alert ${metric.alert}`);
    await expect(tile.getByText(/^since \d\d:\d\d UTC$/), metric.id).toBeVisible();
    await expect(tile.getByRole("link"), metric.id).toHaveAttribute("href", `/health/${metric.id}`);
    if (metric.vector) await expect(tile, metric.id).toContainText(/worst: \S+/);
  }
});

test("every group sums up its tiles", async ({ page }) => {
  for (const group of groups) {
    const words = await region(page, group).locator(".band-word").allTextContents();
    const notWell = words.filter((word) => word !== "OK").length;
    await expect(region(page, group).getByRole("heading", { level: 2 })).toContainText(notWell === 0 ? "all OK" : `${notWell} not OK`);
  }
});

test("the verdict counts what the tiles say", async ({ page }) => {
  const words = await page.locator(".tile .band-word").allTextContents();
  const verdict = page.getByRole("heading", { level: 1 });
  const count = (word) => words.filter((other) => other === word).length;
  for (const [word, part] of [["Alert", "in alert"], ["Unknown", "unknown"], ["Degraded", "degraded"]]) {
    if (count(word) > 0) await expect(verdict).toContainText(`${count(word)} ${part}`);
    else await expect(verdict).not.toContainText(part);
  }
  if (count("OK") === metrics.length) await expect(verdict).toContainText(/All 16 metrics are well|alerts? firing/);
});

test("says when it was read, and that it does not move", async ({ page }) => {
  await expect(page.locator(".verdict-time")).toHaveText(/Read\s*\d\d:\d\d:\d\d UTC\s*every 5 s/);
  await expect(page.getByText(/^As of \d\d:\d\d:\d\d UTC$/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Jump to" })).toBeHidden();
});

test("lists what fires, with severity, state and runbook", async ({ page }) => {
  const alerts = page.getByRole("region", { name: /^Alerts/ }).first();
  const watchdog = alerts.getByRole("row").filter({ hasText: "Watchdog" });
  await expect(watchdog).toHaveCount(1);
  await expect(watchdog.getByRole("cell").first()).toHaveText(/info\s*firing/);
  await expect(watchdog).toContainText("The alerting chain works");
  await expect(watchdog).toContainText("Runbook");
  await expect(watchdog).toContainText(/since \d\d:\d\d UTC/);
});

test("tells the primary from its standby, and how far that is behind", async ({ page }) => {
  const nodes = page.getByRole("region", { name: "Database", exact: true }).filter({ has: page.getByRole("table") });
  const node = (name) => nodes.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
  await expect(node("db-1")).toContainText(/primary\s*1 standby streams/);
  await expect(node("db-2")).toContainText(/standby\s*[\d.]+ k?B behind\s*heard \d+ s ago/);
});

test("says of every source whether it answers", async ({ page }) => {
  const sources = page.getByRole("region", { name: "Sources" });
  for (const name of ["Prometheus", "Alertmanager", "Console database", "Redis"]) {
    const source = sources.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
    await expect(source, name).toContainText(/answers\s*since \d\d:\d\d UTC/);
  }
});

test("leads to a metric and back", async ({ page }) => {
  await page.getByRole("link", { name: "Redis hit rate" }).click();
  await expect(page).toHaveURL(/\/health\/redis_hit_rate$/);
  await expect(page.getByRole("heading", { level: 1, name: "Redis hit rate" })).toBeVisible();
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "Overview" }).click();
  await expect(page.locator(".tile")).toHaveCount(metrics.length);
});
