import { useCallback, useEffect, useState } from "react";
import { addOrder, readSettings, readShop, type Settings, type Shop } from "./api";
import { OrderForm } from "./OrderForm";

export function App() {
  const [settings, setSettings] = useState<Settings>();
  const [shop, setShop] = useState<Shop>();
  const [problem, setProblem] = useState("");

  const refresh = useCallback(async (api: string) => setShop(await readShop(api)), []);

  useEffect(() => {
    const open = async () => {
      const settings = await readSettings();
      setSettings(settings);
      await refresh(settings.api_url);
    };
    open().catch((error: Error) =>
      setProblem(`The storefront cannot be reached: ${error.message}`),
    );
  }, [refresh]);

  /** Whether it was taken. */
  const order = async (item: string, quantity: number) => {
    if (!settings) return false;
    try {
      await addOrder(settings.api_url, item, quantity);
      await refresh(settings.api_url);
      setProblem("");
      return true;
    } catch (error) {
      setProblem(`The order was not taken: ${(error as Error).message}`);
      return false;
    }
  };

  return (
    <>
      <main>
        <h1>{shop?.greeting ?? "…"}</h1>
        {problem && <p role="alert">{problem}</p>}
        <OrderForm onOrder={order} />
        <section>
          <h2 id="popular">Popular</h2>
          {shop?.popular.length === 0 && <p className="empty">Nothing was ordered yet.</p>}
          <ol aria-labelledby="popular">
            {shop?.popular.map(({ item, ordered }) => (
              <li key={item}>{`${item}: ${ordered}`}</li>
            ))}
          </ol>
        </section>
        <section>
          <h2 id="orders">Latest orders</h2>
          {shop?.orders.length === 0 && <p className="empty">Be the first to order.</p>}
          <ul aria-labelledby="orders">
            {shop?.orders.map(({ id, item, quantity }) => (
              <li key={id}>{`${quantity} × ${item}`}</li>
            ))}
          </ul>
        </section>
      </main>
      <footer>
        api <span data-testid="api-version">{shop?.version ?? "…"}</span>, web{" "}
        <span data-testid="web-version">{settings?.version ?? "…"}</span>
      </footer>
    </>
  );
}
