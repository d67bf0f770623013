// The chart of a metric in the reader's hand: cursor, zoom, ranges, and how it goes on.
import { test, expect } from "./support/console.mjs";
import { pods } from "./support/handbook.mjs";

test.beforeEach(({ signIn }) => signIn("viewer"));

/** The cursor's layer; it is there when the chart's script is. */
const slider = (page) => page.getByRole("slider", { name: "Cursor of the chart" });

test("the pointer shows the values at its time, a line a pod", async ({ page }) => {
  await page.goto("/health/cpu_per_pod?range=15m");
  await expect(slider(page)).toBeVisible();
  const box = await slider(page).boundingBox();
  const time = page.locator(".legend-time");
  await expect(time).toHaveText(/^Latest, \d\d:\d\d:\d\d$/);
  await page.mouse.move(box.x + box.width - 60, box.y + box.height / 2);
  await expect(time).toHaveText(/^\d+ \w+ \d{4}, \d\d:\d\d:\d\d$/);
  await expect(page.locator(".chart-hair")).toHaveCSS("visibility", "visible");
  const first = await time.textContent();
  for (const pod of pods) await expect(page.locator(".legend-lines li").filter({ hasText: pod })).toHaveText(/([\d.]+ %|–)$/);
  await page.mouse.move(box.x + box.width - 260, box.y + box.height / 2);
  await expect(time).not.toHaveText(first);
  await page.mouse.move(box.x + box.width / 2, box.y - 200);
  await expect(time).toHaveText(/^Latest/);
});

test("the arrow keys walk along the line and say time and values", async ({ page }) => {
  await page.goto("/health/cpu_per_pod?range=15m");
  const cursor = slider(page);
  await expect(cursor).toBeVisible();
  await cursor.focus();
  const last = Number(await cursor.getAttribute("aria-valuemax"));
  expect(last).toBeGreaterThan(10);
  await page.keyboard.press("ArrowLeft");
  await expect(cursor).toHaveAttribute("aria-valuenow", String(last - 1));
  await page.keyboard.press("ArrowLeft");
  await expect(cursor).toHaveAttribute("aria-valuenow", String(last - 2));
  await page.keyboard.press("ArrowRight");
  await expect(cursor).toHaveAttribute("aria-valuenow", String(last - 1));
  const text = await cursor.getAttribute("aria-valuetext");
  expect(text).toMatch(/^\d\d:\d\d:\d\d: /);
  for (const pod of pods) expect(text).toContain(pod);
  // What is told is what is shown.
  await expect(page.locator(".legend-time")).toContainText(text.slice(0, 8));
  await page.keyboard.press("Home");
  await expect(cursor).toHaveAttribute("aria-valuenow", "0");
  await page.keyboard.press("End");
  await expect(cursor).toHaveAttribute("aria-valuenow", String(last));
  await page.keyboard.press("Escape");
  await expect(page.locator(".legend-time")).toHaveText(/^Latest/);
});

test("a drag zooms into what was marked, and back leads back", async ({ page }) => {
  await page.goto("/health/redis_ops?range=1h");
  await expect(slider(page)).toBeVisible();
  const box = await slider(page).boundingBox();
  const y = box.y + box.height / 2;
  const shown = await page.locator(".legend-time").textContent();
  await page.mouse.move(box.x + box.width * 0.7, y);
  const from = await page.locator(".legend-time").textContent();
  expect(from).not.toBe(shown);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, y, { steps: 4 });
  await page.mouse.move(box.x + box.width * 0.9, y, { steps: 4 });
  const to = await page.locator(".legend-time").textContent();
  await page.mouse.up();
  await expect(page).toHaveURL(/\?from=\d{4}-\d\d-\d\dT[\d:]+&to=\d{4}-/);
  const query = new URL(page.url()).searchParams;
  const clock = (text) => new Date(`${text}Z`).toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin" });
  expect(clock(query.get("from"))).toBe(from.slice(-8));
  expect(clock(query.get("to"))).toBe(to.slice(-8));
  await expect(slider(page)).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/\?range=1h$/);
  await expect(slider(page)).toBeVisible();
});

test("a stretch is marked and zoomed into by keys alone", async ({ page }) => {
  await page.goto("/health/redis_ops?range=1h");
  await expect(slider(page)).toBeVisible();
  await slider(page).focus();
  for (let press = 0; press < 3; press++) await page.keyboard.press("Shift+PageUp");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\?from=.+&to=.+/);
  const query = new URL(page.url()).searchParams;
  const minutes = (Date.parse(`${query.get("to")}Z`) - Date.parse(`${query.get("from")}Z`)) / 60_000;
  expect(minutes).toBeGreaterThan(15);
  expect(minutes).toBeLessThan(20);
});

test("a click alone does not zoom", async ({ page }) => {
  await page.goto("/health/redis_ops?range=15m");
  await expect(slider(page)).toBeVisible();
  await slider(page).click({ position: { x: 300, y: 100 } });
  await expect(slider(page)).not.toHaveAttribute("aria-valuenow", await slider(page).getAttribute("aria-valuemax"));
  await expect(page).toHaveURL(/\?range=15m$/);
});

test("a range that ends now goes on by itself; one that is fixed stays", async ({ page }) => {
  const asked = [];
  page.on("request", (request) => request.url().includes("/range?") && asked.push(request.url()));
  await page.goto("/health/redis_ops?range=15m");
  await expect(slider(page)).toBeVisible();
  await page.evaluate(() => (window.sameDocument = true));
  const latest = page.locator(".legend-time");
  const first = await latest.textContent();
  const picture = await page.locator(".chart-wide").innerHTML();
  await expect(latest).not.toHaveText(first, { timeout: 25_000 });
  await expect.poll(() => page.locator(".chart-wide").innerHTML()).not.toBe(picture);
  expect(await page.evaluate(() => window.sameDocument)).toBe(true);
  expect(asked.length).toBeGreaterThan(0);

  const end = new Date(Date.now() - 60_000);
  const field = (date) => date.toISOString().slice(0, 19);
  await page.goto(`/health/redis_ops?from=${field(new Date(end - 600_000))}&to=${field(end)}`);
  asked.length = 0;
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  // The head is live all the same: wait for its next change, by when a chart that goes on would have asked.
  const value = page.locator(".metric-now .value-number");
  const before = await value.textContent();
  await expect(value).not.toHaveText(before, { timeout: 45_000 });
  expect(asked).toEqual([]);
});

test("ranges and the way back work with scripts as without", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("link", { name: "Redis memory usage" }).click();
  const ranges = page.getByRole("navigation", { name: "Range", exact: true });
  await expect(ranges.locator("[aria-current=page]")).toHaveText("Last 1h");
  await ranges.getByRole("link", { name: "Last 24h" }).click();
  await expect(ranges.locator("[aria-current=page]")).toHaveText("Last 24h");
  await page.goBack();
  await expect(ranges.locator("[aria-current=page]")).toHaveText("Last 1h");
  await page.goBack();
  await expect(page.locator(".tile")).toHaveCount(16);
});

test("the chart fills its frame on a wide and on a narrow screen", async ({ page }) => {
  await page.goto("/health/cpu_per_pod?range=15m");
  const svg = page.locator(".chart-wide svg");
  for (const width of [1440, 900, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await expect.poll(async () => {
      const [picture, frame] = [await svg.boundingBox(), await page.locator(".chart-frame").boundingBox()];
      // While the chart is drawn anew there is no picture.
      if (!picture || !frame) return false;
      return Math.abs(picture.width - frame.width) <= 1 && Math.abs(picture.height - frame.height) <= 1;
    }, `at ${width}`).toBe(true);
  }
});
