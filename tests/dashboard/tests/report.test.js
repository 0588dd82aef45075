// The page and the picture are what the committed results make, and they can be read.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { placed, summary } from "../figures.js";
import { picture, scale } from "../picture.js";
import { table } from "../table.js";

const read = (name) => readFile(new URL(name, import.meta.url), "utf8");
const committed = async () => JSON.parse(await read("../results.json"));

const results = (factor) => ({
  seconds: 60,
  requests: 300 * factor,
  bytes_sent: 2e6 * factor,
  bytes_received: 1e6 * factor,
  cpu_seconds: 0.5 * factor,
  latency_us: { page: { p50: 2000 * factor, p99: 9000 * factor } },
  rss_bytes_per_client: 2048,
});
const report = {
  measured: "2026-01-31",
  rounds: 3,
  settings: { clients: 1000, every: "10s", for: "60s", poll: "2s" },
  machine: { cpu: "Some CPU", cores: 2, memory_bytes: 2 ** 32, kernel: "Linux 6", system: "Debian", data: "ext4" },
  versions: { homeroom: "1.2.3 (commit abc)" },
  measurements: [1, 3, 2].flatMap((factor) => [
    { way: "short", results: results(factor) },
    { way: "websocket", results: { ...results(factor / 100), requests: 0 } },
    { way: "nobody", results: { seconds: 60, cpu_seconds: 0.01 } },
  ]),
};

test("the page has the table of the committed results", async () => {
  const page = await read("../../../broker/DASHBOARD.md");
  assert.equal(page, placed(page, table(await committed())), "make it anew with tests/dashboard/run --report");
});

test("the picture is that of the committed results", async () => {
  assert.equal(await read("../../../broker/dashboard.svg"), picture(await committed()), "tests/dashboard/run --report");
});

test("in the committed measurements every update came once, and the client was not the bottleneck", async () => {
  const { measurements, rounds, settings } = await committed();
  assert.equal(measurements.length, 5 * rounds);
  for (const { way, results } of measurements) {
    assert.deepEqual([results.missing, results.repeated, results.connections], [0, 0, 0], way);
    assert.ok(results.client_busy < 0.5, `${way}: the client took ${results.client_busy} of a core`);
    const pages = way === "nobody" ? 0 : settings.clients;
    assert.equal(results.deliveries, pages * results.latency_us.sent.count, way);
  }
});

test("figures are medians, for an hour", () => {
  const [short, websocket, nobody] = summary(report);
  assert.deepEqual(short.figures.requests, { median: 36_000, min: 18_000, max: 54_000 });
  assert.equal(short.figures.bytes.median, 360);
  assert.equal(websocket.figures.requests.median, 0);
  assert.deepEqual(Object.keys(nobody.figures), ["cpu"]);
});

test("the table has ranges where they say something", () => {
  const lines = table(report).split("\n");
  const line = lines.find((line) => line.startsWith("| Short"));
  const cells = ["Short polling", "36,000", "360 (180–540)", "60.0 (30.0–90.0)", "4.00 (2.00–6.00)", "18.0 (9.00–27.0)", "2.00"];
  assert.equal(line, `| ${cells.join(" | ")} |`);
  assert.ok(lines.includes("| No page open | – | – | 0.600 | – | – | – |"), lines.join("\n"));
});

test("a scale is logarithmic where the ways are far apart, and nothing has no bar", () => {
  const far = scale([0, 3, 4000]);
  assert.ok(far.isLogarithmic && far.at(0) === 0 && far.at(3) > 0 && far.at(4000) <= 1);
  const near = scale([3, 7]);
  assert.deepEqual([near.isLogarithmic, near.ticks, near.at(4)], [false, [0, 2, 4, 6, 8], 0.5]);
});

test("the picture says so, can be read aloud, and is whole", () => {
  const text = picture(report);
  assert.match(text, /<desc id="desc">Requests, in an hour: Short polling 36,000, WebSocket 0\./);
  assert.match(text, /in an hour, logarithmic scale|MB in an hour, logarithmic scale/);
  assert.match(text, /prefers-color-scheme: dark/);
  for (const tag of ["svg", "g", "text", "title", "desc", "style"]) {
    const [opened, closed] = [`<${tag}[ >]`, `</${tag}>`].map((what) => text.match(new RegExp(what, "g")).length);
    assert.equal(opened, closed, tag);
  }
});
