export interface Settings {
  api_url: string;
  version: string;
}

export interface Order {
  id: number;
  item: string;
  quantity: number;
  created_at: string;
}

export interface Popular {
  item: string;
  ordered: number;
}

/** What the page shows. */
export interface Shop {
  greeting: string;
  version: string;
  orders: Order[];
  popular: Popular[];
}

/** Problem details, RFC 9457, as the API answers them. */
interface Problem {
  detail?: string;
  errors?: { pointer: string; detail: string }[];
}

/** Answers JSON, or throws an error whose message a person can read. */
async function ask<T>(address: string, init?: RequestInit): Promise<T> {
  const response = await fetch(address, init);
  if (response.ok) return response.json();
  const problem: Problem = await response.json().catch(() => ({}));
  const faults = problem.errors?.map(
    ({ pointer, detail }) => `${pointer.replace("#/", "")} ${detail}`,
  );
  throw new Error(faults?.join("; ") ?? problem.detail ?? `${address} answered ${response.status}`);
}

/** Where the API is comes at run time, so that one image serves every environment. */
export const readSettings = (): Promise<Settings> => ask("/settings.json");

export async function readShop(api: string): Promise<Shop> {
  const [home, about, orders, popular] = await Promise.all([
    ask<{ greeting: string }>(`${api}/`),
    ask<{ version: string }>(`${api}/version`),
    ask<Order[]>(`${api}/orders?limit=10`),
    ask<Popular[]>(`${api}/popular`),
  ]);
  return { greeting: home.greeting, version: about.version, orders, popular };
}

export const addOrder = (api: string, item: string, quantity: number): Promise<Order> =>
  ask(`${api}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ item, quantity }),
  });
