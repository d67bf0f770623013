// Signing in and out, and one's sessions, with forms alone.
import { test, expect, accountMenu, fillIn, signInAs } from "../support/console.mjs";

test("somebody who is signed out is led to sign in, and from there to where they wanted to go", async ({ page, accounts }) => {
  await page.goto("/health/redis_ops?range=6h");
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in to SkillQuest");
  await fillIn(page, accounts.operator.name, accounts.operator.password);
  await expect(page).toHaveURL(/\/health\/redis_ops\?range=6h$/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Redis operations per second");
});

test("signing in never leads to another site", async ({ page, accounts, baseURL }) => {
  await page.goto("/sign-in?next=https%3A%2F%2Fevil.example%2F");
  await fillIn(page, accounts.viewer.name, accounts.viewer.password);
  await expect(page).toHaveURL(`${baseURL}/`);
});

test("a wrong password and an unknown account are told apart by nobody", async ({ page, accounts }) => {
  const said = [];
  for (const name of [accounts.viewer.name, "nobody-of-this-name"]) {
    await page.goto("/sign-in");
    await fillIn(page, name, "not-the-password");
    await expect(page).toHaveURL(/\/sign-in\?error=credentials/);
    const message = page.getByRole("alert");
    await expect(message).toBeVisible();
    said.push(`${await message.textContent()} ${page.url()}`);
    await expect(page.getByLabel("Password")).toHaveValue("");
  }
  expect(said[0]).toContain("don't go together");
  expect(said[1]).toBe(said[0]);
});

test("whoever guesses is stopped with 429 and told how long to wait, and others are not", async ({ page, accounts }) => {
  await page.goto("/sign-in");
  let answer;
  for (let attempt = 0; attempt < 11; attempt++) {
    const sent = page.waitForResponse((response) => response.request().method() === "POST");
    await fillIn(page, "a-name-that-is-guessed-at", `guess ${attempt}`);
    answer = await sent;
    if (attempt < 10) {
      expect(answer.status(), `attempt ${attempt + 1}`).toBe(303);
      await expect(page.getByRole("alert")).toBeVisible();
    }
  }
  expect(answer.status()).toBe(429);
  expect(Number(answer.headers()["retry-after"])).toBeGreaterThan(0);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Too many sign-ins");
  await expect(page.getByText(/\d+ (second|minute)s?/)).toBeVisible();
  await page.getByRole("link", { name: "Back to signing in" }).click();
  await fillIn(page, accounts.viewer.name, accounts.viewer.password);
  await expect(page).toHaveURL(/\/$/);
});

test("the account menu says who one is, in which role", async ({ page, accounts }) => {
  for (const role of ["viewer", "operator", "approver", "admin", "auditor"]) {
    await page.context().clearCookies();
    await signInAs(page, accounts[role]);
    await accountMenu(page).click();
    await expect(page.getByText(`${accounts[role].name} · ${role}`)).toBeVisible();
    await expect(page.locator(".tile"), `${role} sees the overview`).toHaveCount(16);
  }
});

test("signing out ends the session and says so", async ({ page, signIn }) => {
  await signIn("viewer");
  const kept = await page.context().cookies();
  await accountMenu(page).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/sign-in\?notice=/);
  await expect(page.getByRole("status")).toHaveText("You are signed out.");
  await page.goto("/");
  await expect(page).toHaveURL(/\/sign-in/);
  // Not just forgotten by the browser: the cookies it had are worth nothing any more.
  await page.context().addCookies(kept);
  await page.goto("/");
  await expect(page).toHaveURL(/\/sign-in/);
});

test("one's sessions are listed, and another one can be ended", async ({ page, stranger, accounts }) => {
  await signInAs(page, accounts.auditor);
  await page.goto("/account/sessions");
  await endOthers(page);
  await expect(page.getByText("You are signed in nowhere else.")).toBeVisible();

  const other = await stranger();
  await signInAs(other, accounts.auditor);
  await page.goto("/account/sessions");
  const rows = page.getByRole("table", { name: "Sessions" }).getByRole("row");
  await expect(rows).toHaveCount(3);
  await expect(rows.filter({ hasText: "this one" })).toHaveCount(1);
  const row = rows.filter({ hasNotText: "this one" }).last();
  await expect(row).toContainText("Chrome on Linux");
  await expect(row).toContainText("127.0.0.1");
  await expect(row).toContainText(/\d\d:\d\d:\d\d UTC/);
  await row.getByRole("button", { name: /^End the session/ }).click();
  await expect(rows).toHaveCount(2);
  await expect(page.getByRole("status")).toHaveText("The session was ended.");

  await other.goto("/");
  await expect(other).toHaveURL(/\/sign-in/);
  await page.goto("/");
  await expect(page.locator(".tile")).toHaveCount(16);
});

test("all other sessions can be ended at once", async ({ page, stranger, accounts }) => {
  const others = [await stranger(), await stranger()];
  for (const other of others) await signInAs(other, accounts.approver);
  await signInAs(page, accounts.approver);
  await page.goto("/account/sessions");
  await expect(page.getByRole("button", { name: "End all other sessions" })).toBeVisible();
  await endOthers(page);
  await expect(page.getByText("You are signed in nowhere else.")).toBeVisible();
  for (const other of others) {
    await other.goto("/");
    await expect(other).toHaveURL(/\/sign-in/);
  }
});

/** Ends what earlier tests left open, if anything. */
async function endOthers(page) {
  const button = page.getByRole("button", { name: "End all other sessions" });
  await expect(button.or(page.getByText("You are signed in nowhere else."))).toBeVisible();
  if (await button.isVisible()) await button.click();
}
