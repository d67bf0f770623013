// The pictures of the README, of the real thing: `make screenshots` writes them into docs/images.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test, expect } from "../tests/support/console.mjs";

const images = join(dirname(fileURLToPath(import.meta.url)), "../../docs/images");
const desk = { width: 1440, height: 900 };
const phone = { width: 390, height: 844 };

/** Points of the sparklines: one a minute, so that a picture shows some minutes of life. */
const points = 5;

const shoot = async (page, project, name, fullPage = false) => {
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  // Nothing is under the pointer.
  await page.mouse.move(0, 0);
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
  await page.screenshot({ path: join(images, `${name}-${project.name}.png`), animations: "disabled", fullPage });
};

const lived = (page) =>
  expect
    .poll(() => page.locator(".spark-line").evaluateAll((lines) => Math.max(...lines.map((line) => line.getAttribute("d").split("L").length))), {
      message: "points of the longest sparkline",
      timeout: 300_000,
      intervals: [5_000],
    })
    .toBeGreaterThanOrEqual(points);

test.beforeEach(async ({ page, signIn }) => {
  test.setTimeout(420_000);
  await page.setViewportSize(desk);
  await signIn("operator");
  await page.goto("/");
  await lived(page);
});

test("overview, on a desk and on a phone", async ({ page }, { project }) => {
  await shoot(page, project, "overview");
  await page.setViewportSize(phone);
  await shoot(page, project, "overview-phone");
});

test("a metric with its thresholds, and one with a line a pod", async ({ page }, { project }) => {
  await page.goto("/health/redis_hit_rate?range=15m");
  await expect(page.getByRole("slider")).toBeVisible();
  await shoot(page, project, "metric");
  await page.goto("/health/cpu_per_pod?range=15m");
  await expect(page.getByRole("slider")).toBeVisible();
  await shoot(page, project, "metric-pods");
  await page.setViewportSize(phone);
  await shoot(page, project, "metric-phone");
});

test("a fault", async ({ page, fault }, { project }) => {
  await fault("pool");
  const tile = page.locator(".tile").filter({ hasText: "DB connection pool utilization" });
  await expect(tile.locator(".band-word")).toHaveText("Alert", { timeout: 60_000 });
  // Long enough for the line to tell the story.
  await expect(tile.locator(".since")).toHaveText(/^for (4[5-9]|5\d) s|min/, { timeout: 90_000 });
  await shoot(page, project, "overview-fault");
  await page.goto("/health/db_pool_utilization?range=15m");
  await expect(page.getByRole("slider")).toBeVisible();
  await shoot(page, project, "metric-fault");
});
