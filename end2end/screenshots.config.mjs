// `make screenshots`: pictures of the real console into docs/images, through the same set-up as the tests.
import base from "./playwright.config.mjs";

export default {
  ...base,
  testDir: "./screenshots",
  testMatch: "**/*.shot.mjs",
  globalSetup: "./tests/support/console.mjs",
  reporter: [["list"]],
  projects: [
    { name: "dark", use: { colorScheme: "dark" } },
    { name: "light", use: { colorScheme: "light" } },
  ],
};
