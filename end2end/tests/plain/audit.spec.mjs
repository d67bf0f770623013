// The audit log without scripts.
import { test, expect } from "../support/console.mjs";

test("a search is a plain form, and a row is a plain page", async ({ page, signIn }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn("auditor");
  await page.goto("/audit");
  await page.getByRole("combobox", { name: "Action", exact: true }).selectOption("session.opened");
  await page.getByLabel("Actor", { exact: true }).fill("auditor");
  await page.getByRole("button", { name: "Search" }).click();
  const first = page.getByRole("list", { name: "Rows, the newest first" }).getByRole("listitem").first();
  await expect(first).toContainText("auditor signed in");
  await first.getByRole("link", { name: /^Row/ }).click();
  await expect(page.getByText("Verifies", { exact: true })).toBeVisible();
  await expect(page.getByText("The text under the hash")).toBeVisible();
});
