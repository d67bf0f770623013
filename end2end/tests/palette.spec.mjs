// Ctrl+K and ?: to every page and metric by keys alone.
import { test, expect } from "./support/console.mjs";
import { metrics } from "./support/handbook.mjs";

const palette = (page) => page.getByRole("dialog", { name: "Jump to a page or metric" });
const keys = (page) => page.getByRole("dialog", { name: "Keys" });

test.beforeEach(async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
});

test("Ctrl+K opens it, every page and metric is in it, Escape closes it and gives the focus back", async ({ page }) => {
  const link = page.getByRole("link", { name: "Redis hit rate" });
  await link.focus();
  await page.keyboard.press("Control+k");
  await expect(palette(page)).toBeVisible();
  await expect(page.getByRole("combobox", { name: "Page or metric" })).toBeFocused();
  const options = palette(page).getByRole("option");
  await expect(options).toHaveCount(metrics.length + 6);
  for (const name of ["Overview", "Database", "Backups", "Actions", "Your sessions", "Your API tokens", ...metrics.map((metric) => metric.title)]) {
    await expect(options.filter({ hasText: name }), name).not.toHaveCount(0);
  }
  await page.keyboard.press("Escape");
  await expect(palette(page)).toBeHidden();
  await expect(link).toBeFocused();
});

test("typing filters, arrows choose, Enter goes there", async ({ page }) => {
  await page.keyboard.press("Control+k");
  await page.keyboard.type("p99 api");
  const options = palette(page).getByRole("option");
  await expect(options).toHaveText([/API latency \(p99\)/]);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/health\/api_latency_p99$/);

  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("redis");
  await expect(options).toHaveCount(3);
  await expect(options.nth(0)).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("ArrowDown");
  await expect(options.nth(1)).toHaveAttribute("aria-selected", "true");
  const field = page.getByRole("combobox");
  await expect(field).toHaveAttribute("aria-activedescendant", await options.nth(1).getAttribute("id"));
  const title = await options.nth(1).locator("span").first().textContent();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(title);
});

test("says so when nothing is of that name", async ({ page }) => {
  await page.keyboard.press("Control+k");
  await page.keyboard.type("nothing like it");
  await expect(palette(page).getByRole("option")).toHaveCount(0);
  await expect(palette(page).getByRole("status")).toContainText("Nothing of that name");
  await page.keyboard.press("Enter");
  await expect(palette(page)).toBeVisible();
});

test("opens by its button and goes by a click", async ({ page }) => {
  await page.getByRole("button", { name: /^Jump to/ }).click();
  await palette(page).getByRole("option", { name: /Your sessions/ }).click();
  await expect(page).toHaveURL(/\/account\/sessions$/);
});

test("? lists the keys, and can be switched off for good", async ({ page }) => {
  await page.keyboard.press("?");
  await expect(keys(page)).toBeVisible();
  await expect(keys(page)).toContainText("Jump to a page or metric");
  await page.keyboard.press("Escape");
  await expect(keys(page)).toBeHidden();

  // In a field it is a letter.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("?");
  await expect(keys(page)).toBeHidden();
  await expect(page.getByRole("combobox")).toHaveValue("?");
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Keys" }).click();
  await keys(page).getByLabel(/Keys without Ctrl/).uncheck();
  await keys(page).getByRole("button", { name: "Close" }).click();
  await expect(keys(page)).toBeHidden();
  await page.reload();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.keyboard.press("?");
  await page.keyboard.press("Control+k");
  await expect(palette(page)).toBeVisible();
  await expect(keys(page)).toBeHidden();
});
