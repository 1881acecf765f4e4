// What is known of a log without a document: its records, folds, matches and links.

/** A block is what is drawn or left out together. */
export const BLOCK_LINES = 200;

/** Newline-delimited JSON to records `{ n, s, t, k?, h }`: number, step, time, kind, HTML. */
export function records(text) {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** `#L120` or `#L120-L140` as `[120, 140]`, the smaller first; null for anything else. */
export function range(hash) {
  const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(hash);
  if (!found) return null;
  const from = Number(found[1]), to = Number(found[2] ?? found[1]);
  return from <= to ? [from, to] : [to, from];
}

export function hash([from, to]) {
  return from === to ? `#L${from}` : `#L${from}-L${to}`;
}

/** Which group a line belongs to: the number of the line that began it, 0 outside. Carried from line to line. */
export class Groups {
  #open = 0;

  constructor(open = 0) {
    this.#open = open;
  }

  /** The group of this record. The line that begins a group stands outside of it. */
  of(record) {
    if (record.k === "g") {
      this.#open = record.n;
      return 0;
    }
    if (record.k === "x") this.#open = 0;
    return this.#open;
  }
}

/** The lines to show, given the groups that are folded. */
export function visible(lines, folded) {
  return lines.filter((line) => line.k !== "x" && !(line.g && folded.has(line.g)));
}

/** Lines in blocks of at most `BLOCK_LINES`. */
export function blocks(lines) {
  const blocks = [];
  for (let at = 0; at < lines.length; at += BLOCK_LINES) blocks.push(lines.slice(at, at + BLOCK_LINES));
  return blocks;
}

/** A line's text out of its HTML: the server writes only spans and five escapes. */
export function plain(html) {
  if (!/[<&]/.test(html)) return html;
  return html
    .replace(/<[^>]*>/g, "")
    .replace(/&(lt|gt|quot|#39|amp);/g, (_, name) => ({ lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" })[name]);
}

/** The indices of the lines that hold `query`, whatever its case. An empty query matches nothing. */
export function find(texts, query) {
  const wanted = query.toLowerCase();
  if (!wanted) return [];
  const found = [];
  for (let at = 0; at < texts.length; at += 1) if (texts[at].includes(wanted)) found.push(at);
  return found;
}

/** The match after (`by` 1) or before (`by` -1) the present one, around the end. */
export function turn(current, count, by) {
  if (count === 0) return -1;
  if (current < 0) return by > 0 ? 0 : count - 1;
  return (current + by + count) % count;
}

/** `16:46:12`, in UTC as everywhere on the pages. */
export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 19);
}

/** A line's element as HTML. `record.h` is the server's, escaped there. */
export function row(record, { times, isFolded, isChosen, isFound, isHit }) {
  const kind = record.k ? ` data-k="${record.k}"` : "";
  const fold = record.k === "g" ? ` role="button" tabindex="0" aria-expanded="${!isFolded}"` : "";
  const marks = (isChosen ? " is-chosen" : "") + (isFound ? " is-found" : isHit ? " is-hit" : "");
  const at = times ? `<span class="at">${clock(record.t)}</span>` : "";
  return `<div class="line${marks}" id="L${record.n}"${kind}${fold}><a href="#L${record.n}">${record.n}</a>${at}<code>${record.h}</code></div>`;
}
