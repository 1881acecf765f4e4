// Server-sent regions: an event names a region of this page, its data is the region's HTML. See Region in the view crate.

import { morph } from "./morph.js";
import { refresh } from "./time.js";

/** The regions of a document by the address that feeds them: one stream each. */
export function feeds(sections) {
  const feeds = new Map();
  for (const section of sections) {
    const { events, region } = section.dataset;
    if (!events || !region) continue;
    if (!feeds.has(events)) feeds.set(events, new Map());
    feeds.get(events).set(region, section);
  }
  return feeds;
}

/** `now` gives the server's time. */
export function listen(document, now) {
  for (const [address, regions] of feeds(document.querySelectorAll("[data-region][data-events]"))) {
    const source = new EventSource(address);
    for (const [name, section] of regions) {
      source.addEventListener(name, (event) => patch(section, event.data, now()));
    }
    source.addEventListener("end", () => source.close());
    source.addEventListener("open", () => stale(document, false));
    source.addEventListener("error", () => stale(document, true));
    // A page that is left must not hold one of the six connections that a browser has for a host.
    window.addEventListener("pagehide", () => source.close());
  }
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}

function patch(section, html, now) {
  const fresh = document.createElement("section");
  fresh.innerHTML = html;
  refresh(fresh, now);
  morph(section, fresh);
  section.dispatchEvent(new Event("patched"));
}

let warning = 0;

/** Says that the page may be old, once the stream has been away for three seconds. */
function stale(document, isAway) {
  clearTimeout(warning);
  document.getElementById("stale")?.remove();
  if (!isAway) return;
  warning = setTimeout(() => {
    const note = document.createElement("p");
    note.id = "stale";
    note.className = "stale";
    note.role = "status";
    note.textContent = "Not connected: this page may be old. Trying again.";
    document.body.append(note);
  }, 3000);
}
