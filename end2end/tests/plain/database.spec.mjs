// Sessions of the watched database as they come over the wire: complete, and filtered by plain forms and links.
import { test, expect, signInAs } from "../support/console.mjs";

const rows = (page) => page.locator(".session-list tbody tr");

test("shows connections, waits and sessions, and filters them", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Database" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sessions on db-1");
  await expect(page.locator(".connections-used b")).toHaveText(/^\d+ of 97 usable$/);
  await expect(page.getByRole("region", { name: "Who waits for whom" })).toBeVisible();
  expect(await rows(page).count()).toBeGreaterThan(3);
  await expect(page.locator(".sessions-as-of")).toHaveText(/^As of \d\d:\d\d:\d\d UTC$/);

  await page.getByLabel("Application").selectOption("quarterdeck");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await expect(page).toHaveURL(/application=quarterdeck/);
  await expect(page.getByLabel("Application")).toHaveValue("quarterdeck");
  for (const row of await rows(page).all()) await expect(row).toContainText("a connection of this console");
  await page.getByRole("link", { name: "Show all" }).click();
  await page.getByRole("region", { name: "Connections" }).getByRole("link", { name: "postgres_exporter" }).click();
  await expect(page.getByLabel("User")).toHaveValue("postgres_exporter");
  for (const row of await rows(page).all()) await expect(row).toContainText("postgres_exporter");

  await page.getByRole("navigation", { name: "Node" }).getByRole("link", { name: "db-2 · standby" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sessions on db-2");
});

test("leads an operator into ending sessions, and nobody else", async ({ page, signIn, stranger, accounts }) => {
  await signIn("operator");
  await page.goto("/database");
  await expect(page.getByLabel("Terminate all active longer than")).toHaveValue("300");
  const links = page.locator('a[href^="/actions/new?kind=terminate_backend&node=db-1&backend="]');
  expect(await links.count()).toBeGreaterThan(0);
  const other = await stranger();
  await signInAs(other, accounts.auditor);
  await other.goto("/database");
  expect(await rows(other).count()).toBeGreaterThan(3);
  await expect(other.locator('a[href^="/actions/new"], form[action="/actions/new"]')).toHaveCount(0);
});
