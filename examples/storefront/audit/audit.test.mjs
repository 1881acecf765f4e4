import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { concerns, main, packages } from "./audit.mjs";

const CARGO_LOCK = `version = 4

[[package]]
name = "mine"
version = "0.0.0"

[[package]]
name = "hyper"
version = "0.14.9"
source = "registry+somewhere"
`;
const record = (events, more = {}) => ({
  id: "RUSTSEC-0000-0001",
  summary: "requests can be smuggled",
  affected: [{ package: { ecosystem: "crates.io", name: "hyper" }, ranges: [{ type: "SEMVER", events }] }],
  ...more,
});
const hyper = (version) => ({ ecosystem: "crates.io", name: "hyper", version });

const folders = [];
after(() => folders.forEach((path) => rmSync(path, { recursive: true })));

function folder(files) {
  const path = mkdtempSync(join(tmpdir(), "audit-"));
  folders.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

async function audit(environment) {
  const lines = [];
  const lock = join(folder({ "Cargo.lock": CARGO_LOCK }), "Cargo.lock");
  const code = await main([lock], environment, (line) => lines.push(line));
  return { code, text: lines.join("\n") };
}

test("what a lock file takes from a registry is listed", () => {
  assert.deepEqual(packages("Cargo.lock", CARGO_LOCK), [hyper("0.14.9")]);
  const lock = { packages: { "": {}, "node_modules/a": { version: "1.0.0" }, "node_modules/a/node_modules/@b/c": { version: "2.0.0" } } };
  assert.deepEqual(packages("package-lock.json", JSON.stringify(lock)), [
    { ecosystem: "npm", name: "a", version: "1.0.0" },
    { ecosystem: "npm", name: "@b/c", version: "2.0.0" },
  ]);
});

test("a record concerns the versions of its ranges", () => {
  const fixed = record([{ introduced: "0" }, { fixed: "0.14.10" }, { introduced: "1.0.0-rc.1" }, { last_affected: "1.0.2" }]);
  const cases = { "0.14.9": true, "0.14.10": false, "1.0.0-rc.1": true, "1.0.2": true, "1.0.3": false, "0.0.0": true };
  for (const [version, expected] of Object.entries(cases)) {
    assert.equal(concerns(fixed, hyper(version)), expected, version);
  }
  assert.equal(concerns({ ...fixed, withdrawn: "2026-01-01T00:00:00Z" }, hyper("0.14.9")), false);
});

test("a folder's records fail the audit", async () => {
  const bad = folder({ "one.json": JSON.stringify(record([{ introduced: "0" }])) });
  const { code, text } = await audit({ ADVISORIES: bad });
  assert.equal(code, 1);
  assert.match(text, /hyper 0\.14\.9 has a known vulnerability: RUSTSEC-0000-0001, requests can be smuggled/);
  const good = folder({ "one.json": JSON.stringify(record([{ introduced: "1.0.0" }])) });
  assert.equal((await audit({ ADVISORIES: good })).code, 0);
});

test("a database that cannot be read fails the audit", async () => {
  for (const advisories of ["/nowhere", folder({}), "http://127.0.0.1:1"]) {
    const { code, text } = await audit({ ADVISORIES: advisories });
    assert.equal(code, 1, text);
    assert.match(text, /cannot be read: .+\n.*AUDIT=off/, text);
  }
});

test("it can be left out, and says so", async () => {
  const { code, text } = await audit({ ADVISORIES: "/nowhere", AUDIT: "off" });
  assert.equal(code, 0);
  assert.match(text, /^audit: OFF/);
});

test("an address is asked as OSV's API", async () => {
  let asked;
  const server = createServer(async (request, response) => {
    asked = [request.url, JSON.parse(Buffer.concat(await request.toArray()).toString())];
    response.end(JSON.stringify({ results: [{ vulns: [{ id: "RUSTSEC-0000-0002" }] }] }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.on("listening", resolve));
  const { code, text } = await audit({ ADVISORIES: `http://127.0.0.1:${server.address().port}/` });
  server.close();
  assert.equal(code, 1);
  assert.match(text, /RUSTSEC-0000-0002/);
  const queries = [{ package: { ecosystem: "crates.io", name: "hyper" }, version: "0.14.9" }];
  assert.deepEqual(asked, ["/v1/querybatch", { queries }]);
});
