// The console's own database is gone, and so is the primary: an approver who was signed in before fails over all the same.
import { AxeBuilder } from "@axe-core/playwright";
import { expect, signInAs, test } from "./support/console.mjs";
import { asBefore } from "./support/nodes.mjs";

test.describe.configure({ timeout: 400_000 });

const sizes = [{ width: 1440, height: 900 }, { width: 390, height: 844 }];

/** In both themes and both sizes: no violation, and nothing to scroll sideways. */
async function check(page, what) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    for (const viewport of sizes) {
      await page.setViewportSize(viewport);
      const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target)}`), `${what}, ${colorScheme}, ${viewport.width}`).toEqual([]);
      const { scrollWidth, clientWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth }));
      expect(scrollWidth, `${what}, ${viewport.width}`).toBeLessThanOrEqual(clientWidth);
      if (process.env.QUARTERDECK_SHOTS) await page.screenshot({ path: `${process.env.QUARTERDECK_SHOTS}/${what}-${colorScheme}-${viewport.width}.png`, fullPage: true });
    }
  }
  await page.setViewportSize(sizes[0]);
}

// It has to do without scripts, and with a connection for live values that breaks now and then.
for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with scripts" : "without scripts", () => {
    test.use({ javaScriptEnabled, expectedErrors: [/.*/] });

    test("an approver fails over, and the record is there afterwards", async ({ page, accounts, estate, fault }) => {
      await signInAs(page, accounts.approver);
      try {
        // With the database there are others who can agree.
        await page.goto("/emergency");
        await expect(page.getByText("ask in the ordinary way")).toBeVisible();
        await expect(page.getByRole("link", { name: "Open the topology page" })).toBeVisible();
        if (javaScriptEnabled) await check(page, "not-needed");

        await fault("dead-console-db");
        const way = page.getByRole("link", { name: /database is away: emergency/ });
        await expect(async () => {
          await page.goto("/database/topology");
          await expect(way).toBeVisible({ timeout: 1_000 });
        }).toPass({ timeout: 60_000 });
        await way.click();
        await expect(page.getByRole("heading", { name: "Emergency" })).toBeVisible();
        // The standby is what one would choose.
        await expect(page.getByRole("radio", { name: /db-2/ })).toBeChecked();
        await expect(page.getByText("db-1, a primary already")).toBeVisible();
        if (javaScriptEnabled) await check(page, "choice");

        // What may be lost is borne, whatever was written lately.
        await page.locator("[name=accept_loss]").check();
        // The primary lives, so nothing is done.
        await page.getByRole("button", { name: "Show what would happen" }).click();
        await expect(page.getByText(/A gate refuses: /)).toBeVisible();
        if (javaScriptEnabled) await check(page, "refused");

        await fault("dead-primary");
        await expect(async () => {
          await page.getByRole("link", { name: "Look again" }).click();
          await expect(page.getByRole("button", { name: "Break glass: fail over now" })).toBeVisible({ timeout: 1_000 });
        }).toPass({ timeout: 90_000 });
        if (javaScriptEnabled) await check(page, "plan");

        // What was typed is kept when it is not what it should be.
        const reason = "Both databases are gone, and nobody can be asked.";
        await page.getByLabel("Reason").fill(reason);
        await page.getByLabel(/to confirm/).fill("db-1");
        await page.getByRole("button", { name: "Break glass: fail over now" }).click();
        await expect(page.getByRole("alert")).toContainText("type exactly what the form shows");
        await expect(page.getByLabel("Reason")).toHaveValue(reason);
        await page.getByLabel(/to confirm/).fill("db-2");
        await page.getByRole("button", { name: "Break glass: fail over now" }).dblclick();
        await expect(page).toHaveURL(/\/emergency$/);
        // Two clicks did it once: what is not in the audit log yet is this one alone.
        const story = page.getByRole("region", { name: /Fail over.*db-2/ }).filter({ hasText: "in this console's journal" });
        await expect(story.locator(".action-state")).toContainText("succeeded", { timeout: 120_000 });
        await expect(story).toHaveCount(1);
        if (javaScriptEnabled) await check(page, "done");

        // The database is back: it is an action like any other whose glass was broken.
        await fault("none");
        const action = page.getByRole("link", { name: "open the action" }).first();
        await expect(async () => {
          await page.goto("/emergency");
          await expect(story).toHaveCount(0, { timeout: 1_000 });
          await expect(action).toBeVisible({ timeout: 1_000 });
        }).toPass({ timeout: 60_000 });
        await action.click();
        await expect(page.locator(".action-state")).toContainText("succeeded");
        await expect(page.locator(".action-state")).toContainText("glass was broken");
        await expect(page.locator("#record")).toContainText("action.started");
        await expect(page.locator("#record")).toContainText("action.succeeded");
        await expect(page.getByText(reason)).toBeVisible();
        await expect(page.getByText("an approver has yet to review it")).toBeVisible();
      } finally {
        await asBefore(estate, fault);
      }
    });
  });
}
