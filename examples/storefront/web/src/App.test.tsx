import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { App } from "./App";
import type { Order } from "./api";

/** An API of the test's own: answers as the real one does. */
function serve({ up = true } = {}) {
  const orders: Order[] = [];
  const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (address, init) => {
    const path = String(address).replace("http://api.test", "");
    if (path === "/settings.json") return json({ api_url: "http://api.test", version: "2.0.0" });
    if (!up) return json({ detail: "orders cannot be reached at the moment; try again" }, 503);
    if (init?.method === "POST") {
      const order = JSON.parse(String(init.body));
      if (order.quantity < 1) {
        const detail = `is ${order.quantity}, expected 1 to 1000`;
        return json({ errors: [{ pointer: "#/quantity", detail }] }, 422);
      }
      orders.unshift({ id: orders.length + 1, created_at: "2026-01-01T00:00:00Z", ...order });
      return json(orders[0], 201);
    }
    if (path === "/") return json({ greeting: "Hello" });
    if (path === "/version") return json({ version: "1.0.0" });
    if (path === "/popular")
      return json(orders.map(({ item, quantity }) => ({ item, ordered: quantity })));
    return json(orders);
  });
}

async function open() {
  render(<App />);
  await screen.findByRole("heading", { name: "Hello" });
}

function order(item: string, quantity: string) {
  fireEvent.change(screen.getByLabelText("Item"), { target: { value: item } });
  fireEvent.change(screen.getByLabelText("Quantity"), { target: { value: quantity } });
  fireEvent.click(screen.getByRole("button", { name: "Order" }));
}

describe("the storefront", () => {
  afterEach(() => {
    cleanup();
    vi.restoreAllMocks();
  });

  it("greets, and names both versions", async () => {
    serve();
    await open();
    expect(screen.getByTestId("api-version").textContent).toBe("1.0.0");
    expect(screen.getByTestId("web-version").textContent).toBe("2.0.0");
    expect(screen.getByText("Nothing was ordered yet.")).toBeTruthy();
  });

  it("shows an order that was added, and what is popular", async () => {
    serve();
    await open();
    order("tea", "3");
    await screen.findByText("3 × tea");
    expect(screen.getByText("tea: 3")).toBeTruthy();
    expect(screen.queryByText("Nothing was ordered yet.")).toBeNull();
    await waitFor(() => expect(screen.getByLabelText<HTMLInputElement>("Item").value).toBe(""));
  });

  it("says why an order was not taken, and keeps what was typed", async () => {
    serve();
    await open();
    order("tea", "0");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toBe("The order was not taken: quantity is 0, expected 1 to 1000");
    expect(screen.getByLabelText<HTMLInputElement>("Item").value).toBe("tea");
  });

  it("says that the API is away", async () => {
    serve({ up: false });
    render(<App />);
    await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("try again"));
  });
});
