import { defineConfig } from "@playwright/test";

const results = process.env.RESULTS ?? "../results/e2e";

/** Debian's Chromium; Playwright downloads none. WEB_URL says where the storefront is. */
export default defineConfig({
  testDir: "tests",
  outputDir: `${results}/failures`,
  forbidOnly: true,
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"], ["junit", { outputFile: `${results}/junit.xml` }]],
  use: {
    baseURL: process.env.WEB_URL ?? "http://localhost:8080",
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    },
  },
});
