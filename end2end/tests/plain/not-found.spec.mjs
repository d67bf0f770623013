// Addresses that lead nowhere.
import { test, expect } from "../support/console.mjs";
import { metrics } from "../support/handbook.mjs";

for (const [what, path] of [["a page", "/nope"], ["a metric", "/health/nope"]]) {
  test(`${what} that is not there says so with status 404, and leads on`, async ({ page, signIn }) => {
    await signIn("viewer");
    const answer = await page.goto(path);
    expect(answer.status()).toBe(404);
    const main = page.getByRole("main");
    await expect(main.getByRole("heading", { level: 1 })).toHaveText("Not found");
    await expect(page).toHaveTitle(/Not found|Metric/);
    for (const metric of metrics) await expect(main.getByRole("link", { name: metric.title, exact: true })).toHaveAttribute("href", `/health/${metric.id}`);
    await expect(main.getByText(/^Trace id [0-9a-f]{32}$/)).toBeVisible();
    await main.getByRole("link", { name: "Overview" }).click();
    await expect(page.locator(".tile")).toHaveCount(metrics.length);
  });
}

test("a stranger is not told what is there", async ({ page }) => {
  await page.goto("/nope");
  await expect(page).toHaveURL(/\/sign-in\?next=%2Fnope$/);
});
