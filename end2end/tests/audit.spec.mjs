// The audit log as the auditor uses it: looking for what somebody did, one row's proof, taking rows away.
import { AxeBuilder } from "@axe-core/playwright";
import { readFileSync } from "node:fs";
import { test, expect, accountMenu, signInAs } from "./support/console.mjs";

const rows = (page) => page.getByRole("list", { name: "Rows, the newest first" }).getByRole("listitem");

test("the auditor finds what somebody did, opens a row, and takes the rows away", async ({ page, stranger, accounts }) => {
  const operator = await stranger();
  await signInAs(operator, accounts.operator);
  await operator.goto("/audit");
  await expect(operator.getByText("the role operator does not include it")).toBeVisible();
  await expect(operator.getByRole("link", { name: "Audit", exact: true })).toHaveCount(0);

  await signInAs(page, accounts.auditor);
  await page.goto("/");
  await page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: "Audit" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Audit log");
  await page.getByLabel("Actor", { exact: true }).fill(accounts.operator.name);
  await page.getByRole("combobox", { name: "Action", exact: true }).selectOption("access.*");
  await page.getByRole("combobox", { name: "Outcome", exact: true }).selectOption("refused");
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Search" }).press("Enter");
  await expect(page).toHaveURL(/actor=operator.*action=access\.\*.*outcome=refused/);
  await expect(rows(page).first()).toContainText("operator was not allowed to use /audit (permission audit.view)");
  await expect(page.getByRole("combobox", { name: "Action", exact: true })).toHaveValue("access.*");

  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "JSON Lines" }).click();
  const lines = readFileSync(await (await download).path(), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines.at(-1).selection).toMatchObject({ rows: lines.length - 1, filter: { actor: "operator", outcome: "refused" } });
  expect(new Set(lines.slice(0, -1).map((line) => `${line.event.actor.name} ${line.event.outcome}`))).toEqual(new Set(["operator refused"]));

  await rows(page).first().getByRole("link", { name: /^Row/ }).click();
  await expect(page.getByText("Verifies", { exact: true })).toBeVisible();
  await expect(page.getByText("Made anew from the previous hash, the number and the text, it is the same.")).toBeVisible();
  const number = Number(page.url().split("/").pop());
  await page.getByRole("link", { name: `Row ${number - 1}`, exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`/audit/${number - 1}$`));

  await page.goto("/audit?action=audit.exported");
  await expect(rows(page).first()).toContainText("auditor exported a part of the audit log");
});

test("pages lead back and forth", async ({ page, signIn }) => {
  await signIn("auditor");
  await page.goto("/audit?limit=2");
  const first = await rows(page).allTextContents();
  expect(first).toHaveLength(2);
  await page.getByRole("link", { name: "Older" }).click();
  await expect(page).toHaveURL(/before=\d+/);
  const second = await rows(page).allTextContents();
  expect(second.filter((row) => first.includes(row))).toEqual([]);
  await page.getByRole("link", { name: "Newer" }).click();
  await expect(page).toHaveURL(/after=\d+/);
  expect(await rows(page).allTextContents()).toEqual(first);
  await page.getByRole("link", { name: "Newest" }).click();
  await expect(page).not.toHaveURL(/before|after/);
});

test("the palette knows the audit log", async ({ page, signIn }) => {
  await signIn("auditor");
  await page.goto("/");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.keyboard.press("Control+K");
  await page.keyboard.type("audit");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/audit$/);
});

test("the auditor can read and change nothing", async ({ page, signIn, baseURL }) => {
  await signIn("auditor");
  await page.goto("/audit/1");
  // Beside one's own session and colours there is nothing to send.
  await accountMenu(page).click();
  const actions = await page.locator("form[method=post]").evaluateAll((forms) => forms.map((form) => new URL(form.action).pathname));
  expect(actions.sort()).toEqual(["/account/theme", "/sign-out"]);
  expect((await page.request.fetch(`${baseURL}/api/v1/audit/1`, { method: "DELETE" })).status()).toBe(405);
});

test("accessible in both themes, on a desk and on a phone", async ({ page, signIn }) => {
  await signIn("auditor");
  for (const path of ["/audit", "/audit?actor=nobody", "/audit/1"]) {
    await page.goto(path);
    for (const colorScheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme });
      for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
        await page.setViewportSize(viewport);
        const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target)}`), `${path} ${colorScheme} ${viewport.width}`).toEqual([]);
        const { scrollWidth, clientWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth }));
        expect(scrollWidth, `${path} ${viewport.width}`).toBeLessThanOrEqual(clientWidth);
      }
    }
  }
});
