// The keyboard: / searches, j and k move over the rows, enter opens, g and a letter goes, ? shows this.

/** The next index among `count` rows; from no row, j begins at the first and k at the last. */
export function step(current, count, by) {
  if (count === 0) return -1;
  if (current < 0) return by > 0 ? 0 : count - 1;
  return Math.min(count - 1, Math.max(0, current + by));
}

/** What a key means: `{ act, letter }`, or null. `pending` is the key before, when it was a `g`. */
export function meaning(key, pending) {
  if (pending === "g") return /^[a-z]$/.test(key) ? { act: "go", letter: key } : null;
  switch (key) {
    case "/": return { act: "search" };
    case "j": return { act: "move", by: 1 };
    case "k": return { act: "move", by: -1 };
    case "Enter": return { act: "open" };
    case "?": return { act: "help" };
    case "g": return { act: "wait" };
    default: return null;
  }
}

/** Whether the reader writes into something, so that keys are letters. */
export function writes(element) {
  return Boolean(element?.closest?.("input, textarea, select, [contenteditable]"));
}

export function listen(document) {
  let pending = "";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    const found = meaning(event.key, pending);
    pending = found?.act === "wait" ? "g" : "";
    if (found && acts[found.act](document, found)) event.preventDefault();
  });
}

const rows = (document) => Array.from(document.querySelectorAll("[data-row]")).filter((row) => row.offsetParent !== null);
const current = (document) => document.querySelector("[data-row].is-current");

const acts = {
  wait: () => false,
  search(document) {
    const field = document.querySelector("[data-search]:not([hidden])");
    field?.focus();
    field?.select();
    return Boolean(field);
  },
  move(document, { by }) {
    const all = rows(document);
    const next = step(all.indexOf(current(document)), all.length, by);
    current(document)?.classList.remove("is-current");
    all[next]?.classList.add("is-current");
    all[next]?.scrollIntoView({ block: "nearest" });
    return next >= 0;
  },
  open(document) {
    // Enter on a focused link or button is the browser's.
    if (document.activeElement !== document.body && document.activeElement?.id !== "content") return false;
    const link = current(document)?.querySelector("a[href]");
    link?.click();
    return Boolean(link);
  },
  go(document, { letter }) {
    const row = document.querySelector(`[data-go="${letter}"]`);
    if (row) document.location.assign(row.dataset.href);
    return Boolean(row);
  },
  help(document) {
    document.getElementById("help")?.showModal();
    return true;
  },
};
