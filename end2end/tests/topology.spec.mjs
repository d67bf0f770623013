// The topology of the watched cluster, as it is and as a node is lost.
import { expect, test } from "./support/console.mjs";

test("the topology follows the cluster by itself", async ({ page, signIn, fault }) => {
  await signIn("operator");
  await page.goto("/database");
  await page.getByRole("main").getByRole("link", { name: "Topology" }).click();
  const verdict = page.locator("#verdict");
  await expect(verdict).toHaveAttribute("data-verdict", "healthy");
  const primary = page.getByRole("region", { name: "db-1" });
  const standby = page.getByRole("region", { name: "db-2" });
  await expect(primary.getByRole("row", { name: /^db-2 streaming, async/ })).toBeVisible();
  await expect(primary.getByRole("row", { name: /^db_2 in use/ })).toBeVisible();
  await expect(standby).toContainText("to receive");
  await expect(standby).toContainText("slot db_2 (streaming)");
  // The load writes all the time, so a page that follows shows another position.
  const position = primary.locator("dd").nth(1);
  const before = await position.textContent();
  await expect(position).not.toHaveText(before, { timeout: 30_000 });

  await fault("dead-primary");
  await expect(verdict).toHaveAttribute("data-verdict", "no_primary", { timeout: 30_000 });
  await expect(primary).toContainText("does not answer");
  await expect(standby).toContainText("receives nothing from a primary");
  await fault("none");
  await expect(verdict).toHaveAttribute("data-verdict", "healthy", { timeout: 60_000 });
});

test("the topology is also there as JSON, for those who are signed in", async ({ page, request, signIn }) => {
  expect((await request.get("/api/v1/database/topology")).status()).toBe(401);
  await signIn("viewer");
  const { verdict, nodes } = await (await page.request.get("/api/v1/database/topology")).json();
  expect(verdict).toBe("healthy");
  expect(nodes.map(({ name, state }) => [name, state.part.part])).toEqual([["db-1", "primary"], ["db-2", "standby"]]);
  expect(nodes[0].state.part.flushed).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
});
