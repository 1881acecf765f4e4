import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { meaning, step } from "../keys.js";
import { BLOCK_LINES, Groups, blocks, clock, find, hash, plain, range, records, row, turn, visible } from "../lines.js";
import { feeds } from "../live.js";
import { fits, match, readers } from "../morph.js";
import { ago, duration } from "../time.js";

test("times have the server's words", () => {
  const cases = JSON.parse(readFileSync(new URL("times.json", import.meta.url)));
  for (const [ms, words] of cases.durations) assert.equal(duration(ms), words);
  for (const [before, words] of cases.ago) assert.equal(ago(cases.now, cases.now - before), words);
});

test("a line link is read and written", () => {
  for (const [text, expect] of [
    ["#L120", [120, 120]],
    ["#L120-L140", [120, 140]],
    ["#L140-L120", [120, 140]],
    ["#L1-2", [1, 2]],
    ["#job-e2e", null],
    ["#L", null],
    ["#L1x", null],
    ["", null],
  ]) {
    assert.deepEqual(range(text), expect, text);
  }
  assert.equal(hash([3, 3]), "#L3");
  assert.equal(hash([3, 9]), "#L3-L9");
});

test("groups fold", () => {
  const groups = new Groups();
  const lines = [{ n: 1 }, { n: 2, k: "g" }, { n: 3 }, { n: 4, k: "x" }, { n: 5 }, { n: 6, k: "g" }, { n: 7 }];
  for (const line of lines) line.g = groups.of(line);
  assert.deepEqual(lines.map((line) => line.g), [0, 0, 2, 0, 0, 0, 6]);
  const numbers = (folded) => visible(lines, new Set(folded)).map((line) => line.n);
  assert.deepEqual(numbers([]), [1, 2, 3, 5, 6, 7]);
  assert.deepEqual(numbers([2, 6]), [1, 2, 5, 6]);
});

test("a hundred thousand lines are blocks, and searched within a blink", () => {
  const lines = Array.from({ length: 100_000 }, (_, at) => ({ n: at + 1, h: `<span class="f2">line</span> ${at} &lt;ok&gt;` }));
  const made = blocks(lines);
  assert.equal(made.length, 100_000 / BLOCK_LINES);
  assert.equal(made.at(-1).at(-1).n, 100_000);
  const texts = lines.map((line) => plain(line.h));
  const began = performance.now();
  assert.deepEqual(find(texts, "LINE 99999 <"), [99_999]);
  assert.equal(find(texts, "").length, 0);
  assert.ok(performance.now() - began < 2_000);
});

test("text comes out of a line's HTML as it was printed", () => {
  assert.equal(plain("a &lt;b&gt; &amp;lt; &quot;c&quot;"), 'a <b> &lt; "c"');
  assert.equal(plain('<span class="f1 b">red</span>'), "red");
});

test("records are read, and drawn with their marks", () => {
  const [first, second] = records('{"n":1,"s":2,"t":1795193700000,"h":"x"}\n{"n":2,"s":2,"t":0,"k":"g","h":"y"}\n');
  assert.equal(row(first, {}), '<div class="line" id="L1"><a href="#L1">1</a><code>x</code></div>');
  assert.match(row(first, { times: true, isChosen: true, isFound: true }), /is-chosen is-found.*<span class="at">16:55:00<\/span>/);
  assert.match(row(second, { isFolded: true }), /data-k="g" role="button" tabindex="0" aria-expanded="false"/);
  assert.equal(clock(1795193700000), "16:55:00");
});

test("matches go around", () => {
  assert.equal(turn(-1, 3, 1), 0);
  assert.equal(turn(-1, 3, -1), 2);
  assert.equal(turn(2, 3, 1), 0);
  assert.equal(turn(0, 3, -1), 2);
  assert.equal(turn(0, 0, 1), -1);
});

test("keys mean what the help says", () => {
  assert.deepEqual(meaning("/", ""), { act: "search" });
  assert.deepEqual(meaning("g", ""), { act: "wait" });
  assert.deepEqual(meaning("b", "g"), { act: "go", letter: "b" });
  assert.equal(meaning("b", ""), null);
  assert.equal(meaning("\"]", "g"), null);
  assert.equal(step(-1, 3, 1), 0);
  assert.equal(step(-1, 3, -1), 2);
  assert.equal(step(2, 3, 1), 2);
  assert.equal(step(0, 0, 1), -1);
});

test("one stream feeds all regions of an address", () => {
  const section = (events, region) => ({ dataset: { events, region } });
  const found = feeds([section("/a", "x"), section("/a", "y"), section("/b", "x"), section("", "z")]);
  assert.deepEqual(Array.from(found.keys()), ["/a", "/b"]);
  assert.deepEqual(Array.from(found.get("/a").keys()), ["x", "y"]);
});

test("a node continues as its like, and by its id from anywhere", () => {
  const node = (nodeName, id = "") => ({ nodeType: 1, nodeName, id });
  assert.ok(fits(node("LI"), node("LI")));
  assert.ok(!fits(node("LI"), node("P")));
  assert.ok(!fits(node("LI", "a"), node("LI", "b")));
  const children = [node("LI", "a"), node("LI", "b"), node("LI")];
  assert.equal(match(children, 0, node("LI", "b")), 1);
  assert.equal(match(children, 0, node("LI", "c")), -1);
  assert.equal(match(children, 0, node("LI")), -1);
  assert.equal(match(children, 2, node("LI")), 2);
});

test("what a button does is the server's, what a field holds the reader's", () => {
  assert.deepEqual(readers({ nodeName: "INPUT", type: "text" }), ["value", "checked"]);
  assert.deepEqual(readers({ nodeName: "INPUT", type: "hidden" }), []);
  assert.deepEqual(readers({ nodeName: "BUTTON", type: "submit" }), []);
  assert.deepEqual(readers({ nodeName: "DETAILS" }), ["open"]);
});
