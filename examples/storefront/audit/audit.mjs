// audit.mjs LOCKFILE…: fails when a dependency has a known vulnerability. Reads Cargo.lock and package-lock.json.
//
// ADVISORIES says where vulnerabilities are known: an address that speaks OSV's API (https://google.github.io/osv.dev/api/; a
// mirror of your own, or https://api.osv.dev), or a folder of OSV records as JSON files. AUDIT=off does without, and says so.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import semver from "semver";

const QUERIES_AT_ONCE = 500;
const ANSWER_WITHIN_MS = 20_000;

/** The packages of a lock file that come from a registry: { ecosystem, name, version }. */
export function packages(path, text = readFileSync(path, "utf8")) {
  if (basename(path) === "Cargo.lock") {
    const entry = /\[\[package\]\]\nname = "(.+)"\nversion = "(.+)"\nsource = /g;
    return [...text.matchAll(entry)].map(([, name, version]) => ({ ecosystem: "crates.io", name, version }));
  }
  if (basename(path) === "package-lock.json") {
    return Object.entries(JSON.parse(text).packages)
      .filter(([place]) => place.includes("node_modules/"))
      .map(([place, { name, version }]) => {
        return { ecosystem: "npm", name: name ?? place.split("node_modules/").pop(), version };
      });
  }
  throw new Error(`${path} is neither a Cargo.lock nor a package-lock.json`);
}

/** Whether an OSV record is about this version: https://ossf.github.io/osv-schema/#evaluation */
export function concerns(record, { ecosystem, name, version }) {
  if (record.withdrawn) return false;
  const about = (record.affected ?? []).filter((one) => one.package?.ecosystem === ecosystem && one.package.name === name);
  return about.some(({ versions = [], ranges = [] }) => {
    return versions.includes(version) || ranges.some((range) => range.type === "SEMVER" && holds(range.events, version));
  });
}

function holds(events, version) {
  const place = (event) => event.introduced ?? event.fixed ?? event.last_affected;
  const sorted = [...events].sort((a, b) => semver.compare(whole(place(a)), whole(place(b))));
  return sorted.reduce((affected, event) => {
    if (event.introduced !== undefined && semver.gte(version, whole(event.introduced))) return true;
    if (event.fixed !== undefined && semver.gte(version, event.fixed)) return false;
    if (event.last_affected !== undefined && semver.gt(version, event.last_affected)) return false;
    return affected;
  }, false);
}

const whole = (version) => (version === "0" ? "0.0.0-0" : version);

/** Every OSV record of a folder, however deep. */
function records(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".json"));
  return files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
}

function findInFolder(folder, wanted) {
  const known = records(folder);
  if (known.length === 0) throw new Error("it holds no OSV record");
  return wanted.flatMap((one) => {
    return known.filter((record) => concerns(record, one)).map(({ id, summary }) => ({ ...one, id, summary }));
  });
}

async function findAtAddress(address, wanted) {
  const found = [];
  for (let at = 0; at < wanted.length; at += QUERIES_AT_ONCE) {
    const some = wanted.slice(at, at + QUERIES_AT_ONCE);
    const queries = some.map(({ ecosystem, name, version }) => ({ package: { ecosystem, name }, version }));
    const response = await fetch(`${address.replace(/\/$/, "")}/v1/querybatch`, {
      method: "POST",
      body: JSON.stringify({ queries }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const { results } = await response.json();
    if (results?.length !== some.length) throw new Error("it answered something else than OSV's API does");
    results.forEach((result, index) => {
      for (const { id } of result.vulns ?? []) found.push({ ...some[index], id });
    });
  }
  return found;
}

/** The exit code. */
export async function main(paths, environment, say) {
  const advisories = environment.ADVISORIES || "https://api.osv.dev";
  if (environment.AUDIT === "off") {
    say(`audit: OFF, as AUDIT=off asks: no dependency of ${paths.join(", ")} was looked up`);
    return 0;
  }
  const wanted = paths.flatMap((path) => packages(path));
  let found;
  try {
    const isAddress = /^https?:/.test(advisories);
    if (!isAddress && !statSync(advisories).isDirectory()) throw new Error("it is no folder");
    found = isAddress ? await findAtAddress(advisories, wanted) : findInFolder(advisories, wanted);
  } catch (error) {
    say(`audit: the advisory database ${advisories} cannot be read: ${error.cause?.message ?? error.message}`);
    say("audit: name a mirror or a folder of OSV records in ADVISORIES, or give AUDIT=off to build without an audit");
    return 1;
  }
  for (const { name, version, id, summary } of found) {
    say(`audit: ${name} ${version} has a known vulnerability: ${id}${summary ? `, ${summary}` : ""}`);
  }
  say(`audit: ${wanted.length} dependencies of ${paths.join(", ")}, ${found.length} vulnerabilities known to ${advisories}`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] && import.meta.url.endsWith(basename(process.argv[1]))) {
  process.exitCode = await main(process.argv.slice(2), process.env, console.log);
}
