// The pictures of the README. A minute of life first, so that the sparklines have something to show.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "../tests/support/console.mjs";

const images = join(dirname(fileURLToPath(import.meta.url)), "../../docs/images");
const shots = [
  ["overview", "/", { width: 1440, height: 1000 }],
  ["metric", "/health/api_latency_p99", { width: 1440, height: 1000 }],
  ["overview-phone", "/", { width: 390, height: 844 }],
];

test("pages", async ({ page, signIn }, { project }) => {
  test.setTimeout(180_000);
  await signIn("viewer");
  await page.goto("/");
  await page.waitForTimeout(60_000);
  for (const [name, path, viewport] of shots) {
    await page.setViewportSize(viewport);
    await page.goto(path);
    // Live pages keep a stream open and are never idle: hydration has had its time.
    await page.waitForTimeout(2_000);
    await page.screenshot({ path: join(images, `${name}-${project.name}.png`), animations: "disabled" });
  }
});
