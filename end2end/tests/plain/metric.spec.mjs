// The page of a metric as it comes over the wire.
import { readFileSync } from "node:fs";
import { test, expect } from "../support/console.mjs";
import { metrics, pods } from "../support/handbook.mjs";

test.beforeEach(({ signIn }) => signIn("viewer"));

test("every metric has a page with value, band, chart, history, query and rule", async ({ page }) => {
  for (const metric of metrics) {
    await page.goto(`/health/${metric.id}`);
    await expect(page.getByRole("heading", { level: 1, name: metric.title, exact: true })).toBeVisible();
    const now = page.locator(".metric-now");
    await expect(now, metric.id).toContainText(/\d/);
    await expect(now, metric.id).toContainText(`target ${metric.target}`);
    await expect(now, metric.id).toContainText(`alert ${metric.alert}`);
    const chart = page.getByRole("img", { name: metric.title });
    await expect(chart, metric.id).toHaveAttribute("aria-label", new RegExp(`between .+ and .+\\. Target .+, alert .+\\.$`));
    await expect(chart.locator("svg").first(), metric.id).toBeVisible();
    await expect(page.getByRole("group", { name: "PromQL of the metric" }), metric.id).toHaveText(/rate|sum|max|redis_/);
    await expect(page.getByText("Alert rule").locator(".."), metric.id).toContainText(/, fires (at once|after .+); now (inactive|pending|firing)/);
    await expect(page.getByRole("link", { name: "Dashboard in Grafana" }), metric.id).toHaveAttribute("href", /grafana.*\d+/);
  }
});

test("the chart draws both thresholds, the line, and the axis in UTC", async ({ page }) => {
  await page.goto("/health/redis_hit_rate?range=15m");
  const chart = page.locator(".chart-wide svg");
  await expect(chart).toBeVisible();
  await expect(chart.getByText(/^target > 90 %/)).toBeVisible();
  await expect(chart.getByText(/^alert < 80 %/)).toBeVisible();
  await expect(chart.getByText("UTC", { exact: true })).toBeVisible();
  await expect(chart.getByText(/^\d\d:\d\d$/).first()).toBeVisible();
  await expect(chart.locator(".line-1").first()).toHaveAttribute("points", /\d+,\d+ \d+,\d+/);
  // What is between target and alert, and what is beyond, is shaded.
  await expect(chart.locator(".degraded-band")).toHaveCount(1);
});

test("a vector has a line for each pod, named in the legend", async ({ page }) => {
  await page.goto("/health/cpu_per_pod?range=15m");
  const legend = page.locator(".legend-lines li");
  await expect(legend).toHaveCount(pods.length);
  for (const pod of pods) await expect(legend.filter({ hasText: pod })).toContainText(/[\d.]+ %/);
  for (const line of [1, 2, 3]) await expect(page.locator(`.chart-wide svg .line-${line}`).first()).toBeAttached();
});

test("ranges are links, and the one that is shown is marked", async ({ page }) => {
  await page.goto("/health/redis_ops");
  const ranges = page.getByRole("navigation", { name: "Range", exact: true });
  await expect(ranges.getByRole("link")).toHaveText(["Last 15m", "Last 1h", "Last 6h", "Last 24h", "Last 7d", "Last 30d"]);
  await expect(ranges.locator("[aria-current=page]")).toHaveText("Last 1h");
  for (const [name, range] of [["Last 15m", "15m"], ["Last 7d", "7d"], ["Last 30d", "30d"]]) {
    await ranges.getByRole("link", { name }).click();
    await expect(page).toHaveURL(new RegExp(`/health/redis_ops\\?range=${range}$`));
    await expect(ranges.locator("[aria-current=page]")).toHaveText(name);
    await expect(page.getByRole("img", { name: /^Redis operations per second/ })).toBeVisible();
  }
});

test("a range of one's own is asked for with the form, and can be shifted", async ({ page }) => {
  await page.goto("/health/redis_ops");
  const from = page.getByLabel("From");
  const to = page.getByLabel("to", { exact: true });
  const end = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 120_000);
  const field = (date) => date.toISOString().slice(0, 16);
  const begin = new Date(end - 600_000);
  await from.fill(field(begin));
  await to.fill(field(end));
  await page.getByRole("button", { name: "Show" }).click();
  const query = (url) => Object.fromEntries(new URL(url).searchParams);
  // A browser leaves seconds out where they are zero.
  const same = (text, date) => expect(Date.parse(`${text.length === 16 ? `${text}:00` : text}Z`)).toBe(date.getTime());
  await expect(page).toHaveURL(/\?from=.+&to=.+/);
  same(query(page.url()).from, begin);
  same(query(page.url()).to, end);
  await expect(page.getByRole("navigation", { name: "Range", exact: true }).locator("[aria-current=page]")).toHaveCount(0);
  const hour = begin.toISOString().slice(11, 16);
  await expect(page.getByRole("img", { name: /^Redis operations per second/ })).toHaveAttribute("aria-label", new RegExp(`, ${hour}:\\d\\d UTC to `));
  await page.getByRole("link", { name: "Earlier" }).click();
  same(query(page.url()).to, begin);
  await page.getByRole("link", { name: "Later" }).click();
  same(query(page.url()).from, begin);
});

test("a range that makes no sense is refused with a way out", async ({ page }) => {
  for (const query of ["range=1y", "from=2026-11-24T22:00", "from=2026-11-24T22:00&to=2026-11-24T21:00", "from=x&to=y"]) {
    const answer = await page.goto(`/health/redis_ops?${query}`);
    expect(answer.status(), query).toBe(400);
    await expect(page.getByRole("heading", { level: 1 }), query).toHaveText("This request makes no sense");
    await expect(page.getByRole("main").getByRole("link", { name: "Overview" }), query).toHaveAttribute("href", "/");
  }
});

test("the history of bands says when, from what to what, and at which value", async ({ page }) => {
  await page.goto("/health/cpu_per_pod");
  const history = page.getByRole("table", { name: "Changes of band" });
  const first = history.getByRole("row").last();
  await expect(first).toContainText(/\d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC/);
  await expect(first).toContainText(/Unknown\s*to\s*(OK|Degraded|Alert)/);
  await expect(first).toContainText(/[\d.]+ %/);
});

test("the range that is shown can be taken along as CSV and as JSON", async ({ page }) => {
  await page.goto("/health/cpu_per_pod?range=15m");
  const take = async (name) => {
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name, exact: true }).click();
    const file = await download;
    return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
  };
  const csv = await take("CSV");
  expect(csv.name).toMatch(/cpu_per_pod.*\.csv$/);
  const rows = csv.text.trim().split(/\r?\n/);
  for (const pod of pods) expect(rows[0]).toContain(pod);
  expect(rows.length).toBeGreaterThan(10);
  expect(rows.at(-2)).toMatch(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?,/);

  const json = await take("JSON");
  expect(json.name).toBe("cpu_per_pod.json");
  const range = JSON.parse(json.text);
  expect(range.lines.map((line) => line.name).sort()).toEqual(pods);
  expect(range.lines[0].values.some((value) => typeof value === "number")).toBe(true);
});
