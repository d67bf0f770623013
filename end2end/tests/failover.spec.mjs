// The primary of SkillQuest's database is changed by two people: planned, and after it was killed.
import { AxeBuilder } from "@axe-core/playwright";
import { expect, operateNode, signInAs, test } from "./support/console.mjs";
import { asBefore, ask, primary } from "./support/nodes.mjs";

test.describe.configure({ timeout: 400_000 });

/** How many enrolments the primary has: the load adds to them through PgBouncer all the time. */
const enrolments = (estate) => {
  const url = new URL(primary(estate).superuser_url);
  url.pathname = "/skillquest";
  return Number(ask(String(url), "select count(*) from enrolments"));
};

/** What the operator asks for is approved and started; it ends well. */
async function done(page, approver, { reason, password, object, approvers }) {
  await page.getByLabel("Reason").fill(reason);
  await page.getByLabel(/to confirm/).fill(object);
  if (password) await page.getByLabel("Your password").fill(password);
  await page.getByRole("button", { name: "Ask for approval" }).click();
  await expect(page.locator(".action-state")).toContainText("waits for approval");
  await approver.goto(page.url());
  if (approvers) await approver.getByLabel(/password/i).first().fill(approvers);
  await approver.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator(".action-state")).toContainText("ready to start");
  await page.getByRole("button", { name: "Start it now" }).click();
  await expect(page.locator(".action-state")).toContainText("succeeded", { timeout: 120_000 });
}

test("db-2 becomes the primary as planned, and db-1 again after db-2 was killed", async ({ page, stranger, accounts, estate, fault }) => {
  const approver = await stranger();
  await signInAs(approver, accounts.approver);
  await signInAs(page, accounts.operator);
  try {
    await page.goto("/database/topology");
    const clients = page.getByRole("region", { name: "Clients" });
    await expect(clients.getByRole("row", { name: /^skillquest db-1/ })).toBeVisible();
    await page.getByRole("button", { name: /^Switch over to db-2/ }).click();
    await expect(page.getByText("all passed")).toBeVisible();
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    const before = enrolments(estate);
    await done(page, approver, { reason: "The host of db-1 gets a new kernel.", object: "db-2" });
    await expect(page.getByText(/db-2 alone takes writes: db-1 refuses writes/).first()).toBeVisible();
    await expect(page.getByText(/db-1 streams from db-2/).first()).toBeVisible();
    await expect.poll(() => enrolments(estate), { timeout: 60_000 }).toBeGreaterThan(before);

    await page.goto("/database/topology");
    await expect(page.locator("#verdict")).toHaveAttribute("data-verdict", "healthy", { timeout: 30_000 });
    await expect(page.locator("#verdict")).toContainText("db-2 takes writes");
    await expect(clients.getByRole("row", { name: /^skillquest db-2/ })).toBeVisible();

    await fault("dead-primary");
    await page.getByRole("button", { name: /^Fail over to db-1/ }).click({ timeout: 30_000 });
    // The exporter is the last to say that it is gone.
    await expect(async () => {
      await page.reload();
      await expect(page.getByText("3 of 3 vantages")).toBeVisible({ timeout: 2_000 });
    }).toPass({ timeout: 60_000 });
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    const { operator, approver: agreeing } = accounts;
    await done(page, approver, { reason: "db-2 is dead.", object: "db-1", password: operator.password, approvers: agreeing.password });
    await expect(page.getByText(/Nobody else is seen to take writes; db-2/).first()).toBeVisible();
    const after = enrolments(estate);
    await expect.poll(() => enrolments(estate), { timeout: 60_000 }).toBeGreaterThan(after);

    // It returns, and takes no writes.
    await operateNode("db-2", "start");
    await page.goto("/database/topology");
    const kept = page.getByRole("region", { name: "Kept from taking writes" });
    await expect(kept).toContainText(/db-2 takes no writes: db-1 is the primary/);
    await expect(kept).toContainText(/transactions were committed there that db-1 lacks/, { timeout: 60_000 });
    expect(ask(estate.postgres.nodes[1].superuser_url, "select pg_is_in_recovery(), current_setting('default_transaction_read_only')")).toBe("f|on");
    await operateNode("db-2", "rejoin");
    await expect(kept).toBeHidden({ timeout: 60_000 });
    await expect(page.locator("#verdict")).toHaveAttribute("data-verdict", "healthy", { timeout: 60_000 });
  } finally {
    await asBefore(estate, fault);
  }
});
