// Sessions with scripts: what is open in another browser ends at once, and nobody sends forms for others.
import { test, expect, accountMenu, fillIn, signInAs } from "./support/console.mjs";

const live = (page) => expect(page.getByText("Live", { exact: true })).toBeVisible();

test("a session that is ended elsewhere ends at once, also on an open overview", async ({ page, stranger, accounts }) => {
  const other = await stranger();
  await signInAs(other, accounts.admin);
  await other.goto("/health/redis_ops?range=6h");
  await live(other);
  await signInAs(page, accounts.admin);
  await page.goto("/account/sessions");
  await page.getByRole("button", { name: "End all other sessions" }).click();
  await expect(page.getByText("You are signed in nowhere else.")).toBeVisible();

  await expect(other).toHaveURL(/\/sign-in\?error=over&next=/, { timeout: 5_000 });
  await expect(other.getByRole("alert")).toHaveText("Your session has ended. Sign in again to go on where you were.");
  await fillIn(other, accounts.admin.name, accounts.admin.password);
  await expect(other).toHaveURL(/\/health\/redis_ops\?range=6h$/);
});

test("every role sees the overview, live", async ({ page, accounts }) => {
  for (const role of ["viewer", "operator", "approver", "admin", "auditor"]) {
    await page.context().clearCookies();
    await signInAs(page, accounts[role]);
    await page.goto("/");
    await live(page);
    await expect(page.locator(".tile"), role).toHaveCount(16);
    const me = await (await page.request.get("/api/v1/me")).json();
    expect([me.username, me.role]).toEqual([accounts[role].name, role]);
  }
});

test("scripts of the page can't read the session", async ({ page, signIn }) => {
  await signIn("viewer");
  expect(await page.evaluate(() => document.cookie)).toBe("");
  const cookies = (await page.context().cookies()).filter((cookie) => cookie.name !== "qd_theme");
  expect(cookies.length).toBeGreaterThanOrEqual(2);
  for (const { name, httpOnly, sameSite } of cookies) expect({ name, httpOnly, sameSite }).toEqual({ name, httpOnly: true, sameSite: "Strict" });
});

test("a form without the right code is refused, and nothing is changed", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/account/sessions");
  for (const code of ["", "forged"]) {
    await page.locator("form[action='/sign-out'] input[name=csrf]").evaluate((field, code) => (field.value = code), code);
    await accountMenu(page).click();
    const answer = page.waitForResponse((response) => response.request().method() === "POST");
    await page.getByRole("button", { name: "Sign out" }).click();
    expect((await answer).status()).toBe(403);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not sent from this console");
    await page.goto("/account/sessions");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your sessions");
  }
});

test("another site can't send forms in one's name", async ({ page, signIn, baseURL }) => {
  await signIn("viewer");
  await page.goto("/account/sessions");
  const code = await page.locator("form[action='/sign-out'] input[name=csrf]").inputValue();
  // The same server under another name is another site to the browser; its page is ours to write.
  const elsewhere = baseURL.replace("127.0.0.1", "localhost");
  await page.route(`${elsewhere}/evil`, (route) =>
    route.fulfill({ contentType: "text/html", body: `<form method="post" action="${baseURL}/sign-out"><input name="csrf" value="${code}"><button>Win a prize</button></form>` }),
  );
  await page.goto(`${elsewhere}/evil`);
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await page.getByRole("button", { name: "Win a prize" }).click();
  expect((await answer).status()).toBe(403);
  await page.goto(`${baseURL}/`);
  await expect(page.locator(".tile")).toHaveCount(16);
});

test("a link from another site leads to the page, not to signing in", async ({ page, signIn, baseURL }) => {
  await signIn("viewer");
  const elsewhere = baseURL.replace("127.0.0.1", "localhost");
  await page.route(`${elsewhere}/chat`, (route) => route.fulfill({ contentType: "text/html", body: `<a href="${baseURL}/health/redis_ops?range=6h">look at this</a>` }));
  await page.goto(`${elsewhere}/chat`);
  await page.getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Redis operations per second");
});

test("the REST API says 401 to a stranger, and why", async ({ request }) => {
  for (const path of ["health", "health/redis_ops", "health/redis_ops/range", "events", "me"]) {
    const answer = await request.get(`/api/v1/${path}`, { maxRedirects: 0 });
    expect(answer.status(), path).toBe(401);
    expect(answer.headers()["content-type"], path).toContain("application/problem+json");
    expect((await answer.json()).detail, path).toContain("Sign in");
  }
});
