// The log of a job: the server's lines are taken over and drawn in blocks, of which only those near the window are in the
// document. So a hundred thousand lines scroll like a hundred. See LogFeed in the view crate for what the server answers.

import { BLOCK_LINES, Groups, blocks, find, hash, plain, range, records, row, turn, visible } from "./lines.js";

const LINE_HEIGHT = 20;
/** How far beyond the window blocks are drawn, in pixels. */
const AHEAD = "1600px 0px";
const AT_THE_END = 80;

export function open(document) {
  const element = document.getElementById("log");
  if (element) new Log(document, element).begin();
}

class Log {
  lines = [];
  /** Lower-case text of each line, made at the first search. */
  texts = null;
  steps = new Map();
  folded = new Set();
  groups = new Groups();
  chosen = null;
  query = "";
  hits = [];
  hit = -1;
  times = remembered("times", false);
  follows = false;
  lastTop = 0;
  /** Where the window stood when it followed last. */
  endTop = 0;

  constructor(document, element) {
    this.document = document;
    this.element = element;
    this.isLive = Boolean(element.dataset.events);
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.seen(entry)), { rootMargin: AHEAD });
  }

  async begin() {
    this.takeOver();
    this.listen();
    this.setWrap(remembered("wrap", true));
    this.press("times", this.times);
    this.document.querySelectorAll("[data-scripted]").forEach((tool) => (tool.hidden = false));
    this.follow(this.isLive && !range(location.hash));
    this.toHash();
    const total = Number(this.element.dataset.total);
    if (this.lines.length < total) await this.fetchRest(total);
    this.document.getElementById("log-pages")?.remove();
    this.toHash();
    if (this.isLive) this.stream();
  }

  // Reading: what the page has, then what it has not, then what comes.

  takeOver() {
    const isWhole = Number(this.element.dataset.first) <= 1;
    for (const section of this.element.querySelectorAll(".log-step")) {
      const found = isWhole ? Array.from(section.querySelectorAll(".line"), (line) => record(line, Number(section.dataset.step))) : [];
      const body = section.querySelector(".lines");
      body.textContent = "";
      this.step(Number(section.dataset.step), section);
      this.add(found);
    }
  }

  async fetchRest(total) {
    while (this.lines.length < total) {
      const answer = await fetch(`${this.element.dataset.lines}?from=${this.next()}`);
      if (!answer.ok) return;
      const found = records(await answer.text());
      if (found.length === 0) return;
      this.add(found);
    }
  }

  stream() {
    const source = new EventSource(`${this.element.dataset.events}?from=${this.next()}`);
    source.addEventListener("lines", (event) => {
      this.add(records(event.data));
      if (this.follows) this.followOn();
    });
    source.addEventListener("end", () => {
      source.close();
      this.follow(false);
      this.tool("follow")?.remove();
    });
    window.addEventListener("pagehide", () => source.close());
  }

  next() {
    return this.lines.length + 1;
  }

  /** A stream that was connected again begins where it began: what is known is left out. */
  add(found) {
    const grown = new Map();
    for (const line of found) {
      if (line.n !== this.next()) continue;
      line.g = this.groups.of(line);
      if (line.k === "g" && !this.isLive) this.folded.add(line.n);
      this.lines.push(line);
      this.texts?.push(plain(line.h).toLowerCase());
      const step = this.step(line.s);
      step.lines.push(line);
      if (!grown.has(step)) grown.set(step, []);
      grown.get(step).push(line);
    }
    for (const [step, lines] of grown) this.append(step, visible(lines, this.folded));
    if (grown.size > 0) this.document.querySelector(".no-lines")?.remove();
  }

  step(number, section = null) {
    if (!this.steps.has(number)) {
      section ??= this.section(number);
      const step = { number, section, body: section.querySelector(".lines"), lines: [], blocks: [] };
      this.foldable(step);
      this.steps.set(number, step);
    }
    return this.steps.get(number);
  }

  section(number) {
    const section = this.document.createElement("section");
    section.className = "log-step";
    section.dataset.step = number;
    section.innerHTML = '<div class="step-head"><h3></h3></div><div class="lines"></div>';
    section.querySelector("h3").textContent = `Step ${number}`;
    this.element.append(section);
    this.head(section);
    return section;
  }

  /** A step's head says what the list of steps says. */
  head(section) {
    const listed = this.document.querySelector(`.steps [data-step="${section.dataset.step}"]`);
    if (!listed) return;
    const head = section.querySelector(".step-head");
    head.querySelectorAll(".sign, .took").forEach((part) => part.remove());
    head.querySelector("h3").textContent = listed.querySelector(".step-name")?.textContent ?? "";
    const sign = listed.querySelector(".sign"), took = listed.querySelector(".took");
    if (sign) head.querySelector("h3").before(sign.cloneNode(true));
    if (took) head.append(took.cloneNode(true));
  }

  foldable(step) {
    const button = this.document.createElement("button");
    button.type = "button";
    const say = (isFolded) => {
      button.textContent = isFolded ? "▸" : "▾";
      button.setAttribute("aria-expanded", String(!isFolded));
      button.setAttribute("aria-label", isFolded ? "Unfold this step" : "Fold this step");
    };
    say(false);
    button.addEventListener("click", () => say(step.section.classList.toggle("is-folded")));
    step.section.querySelector(".step-head").prepend(button);
    step.unfold = () => {
      step.section.classList.remove("is-folded");
      say(false);
    };
  }

  // Drawing: blocks of lines, of which those near the window hold their rows and the others their height.

  append(step, lines) {
    const last = step.blocks.at(-1);
    const room = last ? BLOCK_LINES - last.lines.length : 0;
    if (room > 0 && lines.length > 0) {
      const here = lines.slice(0, room);
      last.lines.push(...here);
      if (last.isDrawn) last.element.insertAdjacentHTML("beforeend", here.map((line) => this.row(line)).join(""));
      else this.keepHeight(last, last.lines.length * LINE_HEIGHT);
    }
    for (const lines_ of blocks(lines.slice(room))) {
      const block = { element: this.document.createElement("div"), lines: lines_, isDrawn: false, step };
      this.keepHeight(block, lines_.length * LINE_HEIGHT);
      block.element.block = block;
      step.blocks.push(block);
      step.body.append(block.element);
      this.observer.observe(block.element);
    }
  }

  rebuild(step) {
    step.blocks.forEach((block) => this.observer.unobserve(block.element));
    step.blocks = [];
    step.body.textContent = "";
    this.append(step, visible(step.lines, this.folded));
  }

  seen({ target, isIntersecting }) {
    const { block } = target;
    if (isIntersecting && !block.isDrawn) this.draw(block);
    if (!isIntersecting && block.isDrawn) {
      this.keepHeight(block, target.offsetHeight);
      target.textContent = "";
      block.isDrawn = false;
    }
  }

  draw(block) {
    block.isDrawn = true;
    block.element.style.height = "";
    block.element.innerHTML = block.lines.map((line) => this.row(line)).join("");
    this.highlight(block.element);
  }

  redraw() {
    this.ranges = [];
    this.eachBlock((block) => {
      if (block.isDrawn) this.draw(block);
      else this.keepHeight(block, block.lines.length * LINE_HEIGHT);
    });
  }

  eachBlock(act) {
    for (const step of this.steps.values()) step.blocks.forEach(act);
  }

  keepHeight(block, height) {
    block.element.style.height = `${height}px`;
  }

  row(line) {
    const [from, to] = this.chosen ?? [0, -1];
    return row(line, {
      times: this.times,
      isFolded: this.folded.has(line.n),
      isChosen: from <= line.n && line.n <= to,
      isFound: this.hit >= 0 && this.hits[this.hit] === line.n - 1,
      isHit: this.query !== "" && plain(line.h).toLowerCase().includes(this.query),
    });
  }

  /** Marks the very words, where the browser can; the row is marked anywhere. */
  highlight(root) {
    if (!this.query || !globalThis.CSS?.highlights) return;
    const marked = CSS.highlights.get("found") ?? new Highlight();
    for (const code of root.querySelectorAll(".is-hit > code, .is-found > code")) {
      const walker = this.document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const text = node.data.toLowerCase();
        for (let at = text.indexOf(this.query); at >= 0; at = text.indexOf(this.query, at + this.query.length)) {
          const words = new Range();
          words.setStart(node, at);
          words.setEnd(node, Math.min(node.length, at + this.query.length));
          marked.add(words);
        }
      }
    }
    CSS.highlights.set("found", marked);
  }

  // Going: to a line, to the end.

  async toLine(number, block_ = "center") {
    const line = this.lines[number - 1];
    if (!line) return;
    const step = this.steps.get(line.s);
    step.unfold();
    if (line.g && this.folded.delete(line.g)) this.rebuild(step);
    const block = step.blocks.find(({ lines }) => lines.at(-1).n >= number);
    if (!block) return;
    // The blocks between may be of another height than was thought; once they are drawn the place is right.
    for (let round = 0; round < 3; round += 1) {
      if (!block.isDrawn) this.draw(block);
      this.document.getElementById(`L${number}`)?.scrollIntoView({ block: block_ });
      await new Promise(requestAnimationFrame);
    }
  }

  toHash() {
    const wanted = range(location.hash);
    if (!wanted) return;
    this.follow(false);
    this.choose(wanted);
    this.toLine(wanted[0]);
  }

  choose(wanted) {
    this.chosen = wanted;
    for (const row of this.element.querySelectorAll(".line")) {
      const number = Number(row.id.slice(1));
      row.classList.toggle("is-chosen", wanted[0] <= number && number <= wanted[1]);
    }
  }

  follow(does) {
    this.follows = does;
    this.press("follow", does);
    if (does) this.toEnd();
  }

  /** To the new end; unless the reader has left the last one, which the scroll event may not have told yet. */
  followOn() {
    if (this.document.documentElement.scrollTop < this.endTop - AT_THE_END) this.follow(false);
    else this.toEnd();
  }

  toEnd() {
    window.scrollTo(0, this.document.documentElement.scrollHeight);
    this.endTop = this.document.documentElement.scrollTop;
  }

  // Tools.

  listen() {
    this.element.addEventListener("click", (event) => this.clicked(event));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") this.clicked(event);
    });
    window.addEventListener("hashchange", () => this.toHash());
    this.document.addEventListener("click", (event) => this.linked(event));
    window.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.tool("wrap")?.addEventListener("click", () => this.setWrap(this.element.classList.contains("no-wrap")));
    this.tool("follow")?.addEventListener("click", () => this.follow(!this.follows));
    this.tool("next")?.addEventListener("click", () => this.toHit(1));
    this.tool("previous")?.addEventListener("click", () => this.toHit(-1));
    this.tool("times")?.addEventListener("click", () => {
      this.times = !this.times;
      remember("times", this.times);
      this.press("times", this.times);
      this.redraw();
    });
    const field = this.document.getElementById("find");
    let wait = 0;
    field?.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => this.search(field.value), 150);
    });
    field?.addEventListener("keydown", (event) => {
      if (event.key === "Escape") field.blur();
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (field.value.toLowerCase() !== this.query) this.search(field.value);
      else this.toHit(event.shiftKey ? -1 : 1);
    });
    for (const list of this.document.querySelectorAll("[data-region=steps]")) {
      list.addEventListener("patched", () => this.steps.forEach(({ section }) => this.head(section)));
    }
  }

  clicked(event) {
    const row = event.target.closest(".line");
    if (!row) return;
    const number = Number(row.id.slice(1));
    if (event.target.closest(".line > a")) {
      event.preventDefault();
      const first = event.shiftKey && this.chosen ? this.chosen[0] : number;
      this.choose([Math.min(first, number), Math.max(first, number)]);
      history.replaceState(null, "", hash(this.chosen));
    } else if (row.dataset.k === "g") {
      event.preventDefault();
      if (!this.folded.delete(number)) this.folded.add(number);
      this.rebuild(this.steps.get(this.lines[number - 1].s));
      this.toLine(number, "nearest");
    }
  }

  /** A link to a line of this very log needs no other page, whichever lines that page would hold. */
  linked(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || link.closest(".line") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.pathname !== location.pathname || !range(link.hash)) return;
    event.preventDefault();
    history.pushState(null, "", link.hash);
    this.toHash();
  }

  /** The reader who scrolls up wants to read; at the end again, to follow. */
  scrolled() {
    const page = this.document.documentElement;
    const left = page.scrollHeight - page.scrollTop - page.clientHeight;
    const isUp = page.scrollTop < this.lastTop;
    this.lastTop = page.scrollTop;
    if (!this.isLive) return;
    if (this.follows && isUp && left > AT_THE_END) this.follow(false);
    else if (!this.follows && !isUp && left <= 2) this.follow(true);
  }

  setWrap(does) {
    this.element.classList.toggle("no-wrap", !does);
    remember("wrap", does);
    this.press("wrap", does);
  }

  search(text) {
    this.query = text.toLowerCase();
    this.texts ??= this.lines.map((line) => plain(line.h).toLowerCase());
    this.hits = find(this.texts, this.query);
    this.hit = -1;
    globalThis.CSS?.highlights?.delete("found");
    this.redraw();
    if (this.hits.length > 0) this.toHit(1);
    else this.count();
  }

  toHit(by) {
    this.hit = turn(this.hit, this.hits.length, by);
    this.count();
    if (this.hit < 0) return;
    const number = this.hits[this.hit] + 1;
    this.element.querySelector(".is-found")?.classList.remove("is-found");
    this.toLine(number);
    this.document.getElementById(`L${number}`)?.classList.add("is-found");
  }

  count() {
    const found = this.document.getElementById("found");
    if (!found) return;
    if (!this.query) found.textContent = "";
    else found.textContent = this.hits.length === 0 ? "none" : `${this.hit + 1} of ${this.hits.length}`;
  }

  tool(name) {
    return this.document.querySelector(`[data-log="${name}"]`);
  }

  press(name, is) {
    this.tool(name)?.setAttribute("aria-pressed", String(is));
  }
}

/** A line that the server drew, as a record. */
function record(line, step) {
  return { n: Number(line.id.slice(1)), s: step, t: Number(line.dataset.t), k: line.dataset.k, h: line.querySelector("code").innerHTML };
}

// What the reader chose holds for the next log; a browser that keeps nothing is no reason to stop.

function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`log-${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`log-${name}`, JSON.stringify(value));
  } catch {
    // Private windows may refuse.
  }
}
