import { expect, test } from "@playwright/test";

/** What the build calls itself: the page has to show that very version. */
const version = process.env.VERSION ?? "development";

test.beforeEach(async ({ page }) => {
  await page.goto("/");
});

test("a visitor is greeted", async ({ page }) => {
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Welcome to the storefront");
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("the footer names both versions", async ({ page }) => {
  await expect(page.getByTestId("api-version")).toHaveText(version);
  await expect(page.getByTestId("web-version")).toHaveText(version);
});

test("an order is kept, and becomes popular", async ({ page }) => {
  await page.getByLabel("Item").fill("Earl Grey");
  await page.getByLabel("Quantity").fill("3");
  await page.getByRole("button", { name: "Order" }).click();
  await expect(page.getByRole("list", { name: "Latest orders" })).toContainText("3 × Earl Grey");
  await expect(page.getByRole("list", { name: "Popular" })).toContainText("Earl Grey: ");
  await page.reload();
  await expect(page.getByRole("list", { name: "Latest orders" })).toContainText("3 × Earl Grey");
});

test("an order that is wrong is refused with the reason", async ({ page }) => {
  await page.getByLabel("Item").fill("Earl Grey");
  await page.getByLabel("Quantity").fill("0");
  await page.getByRole("button", { name: "Order" }).click();
  await expect(page.getByRole("alert")).toContainText("quantity is 0, expected 1 to 1000");
});
