// Browser tests: one estate and one console for all of them, started by tests/support/console.mjs on free ports.
import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const chromium = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => path && existsSync(path));
if (!chromium) throw new Error("no Chromium: run end2end/setup.sh test, or name one with CHROMIUM=/path/to/chromium");

export default defineConfig({
  testDir: "./tests",
  outputDir: "./test-results",
  globalSetup: "./tests/support/console.mjs",
  // The tests share one estate, and some break it on purpose: one at a time.
  workers: 1,
  fullyParallel: false,
  // A test that needs a second try is a test to mend.
  retries: 0,
  forbidOnly: !!process.env.CI,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: process.env.CI ? [["list"]] : [["list"], ["html", { open: "never" }]],
  use: {
    browserName: "chromium",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
    launchOptions: {
      executablePath: chromium,
      args: [
        // Containers and root have no namespace for Chromium's sandbox; the pages are our own.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "hydrated", testIgnore: "**/plain/**" },
    // Every page is complete and usable before any script runs.
    { name: "plain", testMatch: "**/plain/**", use: { javaScriptEnabled: false } },
  ],
});
