// What has to hold before anything else is worth testing: the console answers, and its front end is served as built.
import { test, expect } from "./support/console.mjs";

test("the console is ready and sends a stranger to the sign-in page", async ({ page, request }) => {
  expect((await request.get("/-/ready")).status()).toBe(200);
  await page.goto("/");
  await expect(page.getByRole("button", { name: /sign in/i })).toBeVisible();
});

test("a person signs in and sees the overview", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
});

test("the front end comes compressed and may be kept for ever", async ({ page, signIn }) => {
  const files = new Map();
  page.on("response", (response) => {
    const path = new URL(response.url()).pathname;
    if (path.startsWith("/pkg/")) files.set(path, response.headers());
  });
  await signIn("viewer");
  await page.goto("/");
  await expect.poll(() => [...files.keys()].map((path) => path.split(".").pop()).sort()).toEqual(["css", "js", "wasm"]);
  for (const [path, headers] of files) {
    expect(path, "named by content").toMatch(/^\/pkg\/quarterdeck\.[0-9a-f]{16}(_bg\.wasm|\.js|\.css)$/);
    expect(headers["cache-control"], path).toContain("immutable");
    expect(headers["content-encoding"], path).toMatch(/^(br|gzip)$/);
  }
});
