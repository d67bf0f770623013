// API tokens without scripts.
import { test, expect } from "../support/console.mjs";

test("a token is made and revoked by plain forms, and shown once", async ({ page, signIn, accounts }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn("viewer");
  await page.goto("/account/tokens");
  const name = `plain ${Date.now()}`;
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("see metrics").check();
  await page.getByLabel("Your password").fill(accounts.viewer.password);
  await page.getByRole("button", { name: "Make it" }).click();
  await expect(page.getByRole("textbox", { name: "Your new token" })).toHaveValue(/^qd_[\w-]{43}$/);
  await page.reload();
  await expect(page.getByRole("textbox", { name: "Your new token" })).toHaveCount(0);
  await page.getByRole("button", { name: `Revoke ${name}` }).click();
  await expect(page.getByRole("listitem").filter({ hasText: name })).toContainText("Revoked");
});
