// Every page in both themes, on a desk and on a phone: no violation, and nothing to scroll sideways.
import { AxeBuilder } from "@axe-core/playwright";
import { test, expect, accountMenu } from "./support/console.mjs";

const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

const live = (page) => page.getByText("Live", { exact: true });
/** Page, address, whether one is signed in, and what shows that its scripts run. */
const pages = [
  ["sign-in", "/sign-in", false],
  ["sign-in refused", "/sign-in?error=credentials", false],
  ["overview", "/", true, live],
  ["metric with one line", "/health/redis_hit_rate", true, live],
  ["metric with a line a pod", "/health/cpu_per_pod?range=15m", true, live],
  ["database sessions", "/database", true, (page) => page.getByText(/^As of /)],
  ["database sessions, none of which match", "/database?application=none", true],
  ["database topology", "/database/topology", true],
  ["database node not found", "/database?node=nope", true],
  ["backups", "/backups", true],
  ["backups, 30 days", "/backups?window=30d", true],
  ["backup copy not found", "/backups/copies?name=nope", true],
  ["policy", "/actions/policy", true],
  ["sessions", "/account/sessions", true],
  ["API tokens", "/account/tokens", true],
  ["audit log, refused", "/audit", true],
  ["page not found", "/nope", true],
  ["metric not found", "/health/nope", true],
  ["range that makes no sense", "/health/redis_ops?range=1y", true],
];

/** What axe finds, in a line each. */
async function violations(page) {
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")} (${node.failureSummary?.split("\n")[1]?.trim()})`));
}

/** Elements that stick out to the right, if the page can be scrolled sideways; not those that are cut off or scroll by themselves. */
const sideways = (page) =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const kept = (element) => {
      for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
        if (getComputedStyle(box).overflowX !== "visible" && box.getBoundingClientRect().right <= clientWidth) return true;
      }
      return false;
    };
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > clientWidth && !kept(element))
      .map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute("class")} in ${element.parentElement.tagName.toLowerCase()}.${element.parentElement.getAttribute("class")}`);
  });

/** Colours settle first: a colour in mid-flight has a contrast of its own. */
const settled = (page) => page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));

/** In both themes and both sizes. */
async function check(page, what) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      await settled(page);
      expect(await violations(page), `${what}, ${colorScheme}, ${size}`).toEqual([]);
      expect(await sideways(page), `${what}, ${colorScheme}, ${size}: sticks out`).toEqual([]);
    }
  }
}

for (const [name, path, signedIn, ready] of pages) {
  test(`${name} has no violation`, async ({ page, signIn }) => {
    if (signedIn) await signIn("viewer");
    await page.goto(path);
    if (ready) await expect(ready(page)).toBeVisible();
    await check(page, name);
  });
}

test("what opens has no violation: account menu, palette, keys", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await expect(live(page)).toBeVisible();
  await accountMenu(page).click();
  await check(page, "account menu");
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("combobox")).toBeFocused();
  await check(page, "palette");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await check(page, "keys");
});

test("a fault has no violation either, and fits a phone", async ({ page, signIn, fault }) => {
  // Until the alert, two pages in four ways each, and until the estate is well again.
  test.setTimeout(300_000);
  await signIn("viewer");
  await fault("pool");
  for (const path of ["/", "/health/db_pool_utilization?range=15m"]) {
    await page.goto(path);
    await expect(page.locator(".band-word", { hasText: "Alert" }).first()).toBeVisible({ timeout: 60_000 });
    await expect(live(page)).toBeVisible();
    await check(page, `${path} during a fault`);
  }
});

/** What holds names and texts that others choose. */
const named = [
  "h1",
  ".lead",
  ".account-name",
  ".account-who",
  ".worst-title",
  ".worst-detail",
  ".tile-title a",
  ".tile-note-head",
  ".alert-name",
  ".alert-summary",
  ".alert-labels",
  ".runbook code",
  ".facts th",
  ".facts-text span",
  ".crumbs [aria-current]",
  ".legend-name",
  ".metric-note",
  ".table th[scope=row] span",
  ".table td",
  ".session-sql",
  ".session-who span",
  ".session-protected",
  ".way li > :first-child",
  ".making dd",
  ".failure-what",
];

test.describe("without scripts", () => {
  // They would find another document than the one that was sent.
  test.use({ javaScriptEnabled: false });

  test("long content fits a phone", async ({ page, signIn }) => {
    await page.setViewportSize(sizes.phone);
    await signIn("viewer");
    for (const [, path] of pages.filter(([, , signedIn]) => signedIn)) {
      await page.goto(path);
      const changed = await page.evaluate((named) => {
        const long = "skillquest-worker-with-a-name-as-long-as-they-come-7d9f8c6b5-x2z4q";
        const all = [...document.querySelectorAll(named)];
        for (const element of all) element.textContent = `${long} ${element.textContent}, ${long}`;
        return all.length;
      }, named.join());
      expect(changed, path).toBeGreaterThan(0);
      expect(await sideways(page), path).toEqual([]);
    }
  });
});

test("every page is reached and left by keys: skip link, focus that is seen, landmarks", async ({ page, signIn }) => {
  await signIn("viewer");
  await page.goto("/");
  await expect(live(page)).toBeVisible();
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  // Everything that takes the focus shows that it has it.
  for (let press = 0; press < 12; press++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const shows = ({ outlineStyle, outlineWidth, boxShadow, content }) => content !== "none" && ((outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none");
      const { activeElement } = document;
      // A tile is a link as a whole: its outline is around the tile.
      const styles = [getComputedStyle(activeElement), getComputedStyle(activeElement, "::after")];
      return { element: activeElement.outerHTML.slice(0, 80), seen: styles.some(shows) };
    });
    expect(seen.seen, seen.element).toBe(true);
  }
});

test.describe("with less motion", () => {
  test.use({ contextOptions: { reducedMotion: "reduce" } });

  test("nothing is animated", async ({ page, signIn }) => {
    await signIn("viewer");
    await page.goto("/");
    await expect(live(page)).toBeVisible();
    const value = page.locator(".value.flash-a, .value.flash-b").first();
    await expect(value).toBeVisible({ timeout: 40_000 });
    const running = await page.evaluate(() => document.getAnimations().filter((animation) => (animation.effect.getComputedTiming().duration ?? 0) > 10).length);
    expect(running).toBe(0);
  });
});
