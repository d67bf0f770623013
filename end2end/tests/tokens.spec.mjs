// API tokens as a person makes them and a program uses them.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, accountMenu } from "./support/console.mjs";

const asked = (baseURL, path, token) => fetch(baseURL + path, { headers: { authorization: `Bearer ${token}` } });

test("a token is made, used by a program, and revoked", async ({ page, signIn, accounts, baseURL }) => {
  await signIn("auditor");
  await page.goto("/");
  await accountMenu(page).click();
  await page.getByRole("link", { name: "Your API tokens" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your API tokens");

  // Without anything that it may be used for it is refused, and the page says what to change.
  const name = `report ${Date.now()}`;
  const password = page.getByLabel("Your password");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Works for").selectOption("7 days");
  await password.fill(accounts.auditor.password);
  await page.getByRole("button", { name: "Make it" }).click();
  await expect(page.getByRole("alert")).toContainText("Choose at least one thing");

  // What was typed is there again, but for the password; a wrong one is refused, too.
  await expect(password).toBeFocused();
  await page.getByLabel("read the audit log").check();
  await password.fill("not the password");
  await page.getByRole("button", { name: "Make it" }).click();
  await expect(page.getByRole("alert")).toContainText("That is not your password");
  await expect(page.getByLabel("Name")).toHaveValue(name);
  await expect(page.getByLabel("Works for")).toHaveValue("7");
  await expect(page.getByLabel("read the audit log")).toBeChecked();
  await expect(password).toHaveValue("");

  // Two clicks make one token, which is shown.
  await password.fill(accounts.auditor.password);
  await page.getByRole("button", { name: "Make it" }).dblclick();
  const field = page.getByRole("textbox", { name: "Your new token" });
  const token = await field.inputValue();
  expect(token).toMatch(/^qd_[\w-]{43}$/);
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await page.reload();
  await expect(field).toHaveCount(0);
  expect(await page.content()).not.toContain(token);

  const log = await asked(baseURL, `/api/v1/audit?action=api_token.created`, token);
  expect(log.status).toBe(200);
  const [newest] = (await log.json()).rows;
  expect(newest.sentence).toBe(`auditor made the API token ${name} (${token.slice(0, 9)}…)`);
  expect((await asked(baseURL, "/api/v1/audit/export", token)).status).toBe(403);
  expect((await asked(baseURL, "/api/v1/health", token)).status).toBe(403);

  const item = page.getByRole("listitem").filter({ hasText: name });
  await expect(item).toHaveCount(1);
  await page.reload();
  await expect(item).toContainText("Last used");
  await item.getByRole("button", { name: `Revoke ${name}` }).click();
  await expect(page.getByRole("status")).toContainText("The token was revoked");
  await expect(item).toContainText("Revoked");
  expect((await asked(baseURL, "/api/v1/audit", token)).status).toBe(401);
});

test("accessible in both themes, on a desk and on a phone", async ({ page, signIn, accounts }) => {
  await signIn("admin");
  await page.goto("/account/tokens");
  await page.getByLabel("Name").fill("a name as long as they come, to see where it breaks, 60 chars");
  await page.getByLabel("see metrics").check();
  await page.getByLabel("Your password").fill(accounts.admin.password);
  await page.getByRole("button", { name: "Make it" }).click();
  await expect(page.getByRole("textbox", { name: "Your new token" })).toBeVisible();
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
      await page.setViewportSize(viewport);
      const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target)}`), `${colorScheme} ${viewport.width}`).toEqual([]);
      const { scrollWidth, clientWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth }));
      expect(scrollWidth, `${viewport.width}`).toBeLessThanOrEqual(clientWidth);
    }
  }
});
