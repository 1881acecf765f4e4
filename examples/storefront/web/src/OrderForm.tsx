import { type FormEvent, useState } from "react";

interface Props {
  /** Answers whether the order was taken. */
  onOrder: (item: string, quantity: number) => Promise<boolean>;
}

export function OrderForm({ onOrder }: Props) {
  const [item, setItem] = useState("");
  const [quantity, setQuantity] = useState("1");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await onOrder(item, Number(quantity))) {
      setItem("");
      setQuantity("1");
    }
  };

  return (
    <form onSubmit={submit}>
      <label>
        Item
        <input value={item} onChange={(event) => setItem(event.target.value)} />
      </label>
      <label>
        Quantity
        <input
          type="number"
          value={quantity}
          onChange={(event) => setQuantity(event.target.value)}
        />
      </label>
      <button type="submit">Order</button>
    </form>
  );
}
