// What the pages gain with scripts: live regions, counted times, keys, the log. Without it they work by links and forms.

import * as keys from "./keys.js";
import * as live from "./live.js";
import * as log from "./log.js";
import { refresh } from "./time.js";

const SECOND = 1000;

// Times are counted by the server's clock: this machine's may be wrong.
const ahead = Number(document.documentElement.dataset.now) - Date.now();
const now = () => Date.now() + ahead;

keys.listen(document);
live.listen(document, now);
log.open(document);

for (const choice of document.querySelectorAll("select[data-submits]")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}

// A press on a button that has been pressed would be refused by the server; say so by not taking it.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  setTimeout(() => event.target.querySelectorAll("button").forEach((button) => (button.disabled = true)));
});

setInterval(() => document.visibilityState === "visible" && refresh(document, now()), SECOND);
