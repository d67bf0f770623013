// The choice of colours, through its form.
import { test, expect, accountMenu } from "../support/console.mjs";

const background = (page) => page.locator("html").evaluate((html) => getComputedStyle(html).backgroundColor);
/** Of `oklch(0.966 0.005 250)`: 0.966. */
const lightness = (color) => Number(color.match(/^oklch\(([\d.]+) /)[1]);

test("dark, light and the system's own are chosen in the account menu, and stay", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/health/redis_ops?range=15m");
  const choose = async (name) => {
    await accountMenu(page).click();
    await page.getByRole("group", { name: "Colours" }).getByRole("button", { name }).click();
    // Back to where one was.
    await expect(page).toHaveURL(/\/health\/redis_ops\?range=15m$/);
    await accountMenu(page).click();
    await expect(page.getByRole("button", { name, pressed: true })).toBeVisible();
  };
  const colors = {};
  for (const name of ["Light", "Dark"]) {
    await choose(name);
    await expect(page.locator("html")).toHaveAttribute("data-theme", name.toLowerCase());
    colors[name] = await background(page);
    await page.goto("/");
    expect(await background(page), `${name} on another page`).toBe(colors[name]);
    await page.goto("/health/redis_ops?range=15m");
  }
  expect(lightness(colors.Dark)).toBeLessThan(lightness(colors.Light));

  await choose("System");
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await background(page)).toBe(colors.Dark);
  await page.emulateMedia({ colorScheme: "light" });
  expect(await background(page)).toBe(colors.Light);
});
