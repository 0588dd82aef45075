import assert from "node:assert/strict";
import test from "node:test";

import { figure, results } from "../bench.js";
import { withRange, written } from "../figures.js";
import { logarithmic, picture } from "../picture.js";
import { summary } from "../summary.js";
import { table } from "../table.js";
import { FANOUT, FANOUT_WORK, measured, PEERS } from "./report.js";

const KEY = "cpu_seconds_per_million_deliveries";
const WORK = { ...FANOUT_WORK, rows: [{ ...FANOUT_WORK.rows[0], key: KEY }] };
const MEASURED = ["raw", "homeroom"].flatMap((peer, index) =>
  measured("fanout", peer, [5, 6]).map((one) => ({ ...one, figures: { [KEY]: one.figures.cpu * (index + 1) } })),
);

const report = (more = {}) => ({
  measured: "2026-01-31",
  rounds: 2,
  machine: { cpu: "Some CPU", cores: 2, memory_bytes: 2 ** 32, kernel: "Linux 6", system: "Debian", data: "ext4" },
  versions: { homeroom: "1.2.3", node: "20" },
  peers: PEERS,
  rows: summary([WORK], PEERS, [...MEASURED, ...measured("fanout", "rabbitmq", [undefined, undefined])]),
  failures: [{ work: "fanout", peer: "rabbitmq", round: 1, error: "it fell over" }],
  ...more,
});

test("a figure is found in what a load prints", () => {
  assert.equal(figure(results(FANOUT), KEY), 9.07029);
  assert.equal(figure({ latency_us: { last: { p50: 7 } } }, "latency_us.last.p50"), 7);
});

test("a figure that is not there is named", () => {
  assert.throws(() => figure(results(FANOUT), "latency_us.last.p50"), /no number latency_us\.last\.p50/);
  assert.throws(() => results('{"bench":"fanout"}'), /no results/);
  assert.throws(() => results("Killed"));
});

test("figures have three digits", () => {
  const all = { 0: "0", 5.384: "5.38", 0.1424: "0.142", 68.04: "68.0", 680.4: "680", 38123: "38,120" };
  for (const [value, text] of Object.entries(all)) assert.equal(written(Number(value)), text);
  assert.equal(written(9.999), "10.0");
  assert.equal(written(999.7), "1,000");
  assert.equal(written(-2.64), "-2.64");
  assert.equal(written(0.00421), "0.0040");
  assert.equal(withRange({ median: 5, min: 4, max: 6 }), "5.00 (4.00–6.00)");
  assert.equal(withRange({ median: 5, min: 5, max: 5 }), "5.00");
});

test("the table has medians, ranges, ratios, failures and verdicts", () => {
  const text = table(report());
  const line = text.split("\n").find((line) => line.startsWith("| Fan-out"));
  assert.equal(
    line,
    [
      "| Fan-out | CPU s | 5.50 (5.00–6.00) | failed 2 of 2",
      "11.0 (10.0–12.0)<br>2.00 ×",
      "≤ 1.10 × raw: **no** |",
    ].join(" | "),
  );
  assert.match(text, /- fanout, rabbitmq, round 1: it fell over/);
  assert.match(text, /2 cores of Some CPU/);
});

test("the table says where there were fewer rounds", () => {
  assert.match(table(report({ rounds: 5 })), /\| Fan-out \(2 of the rounds\) \|/);
});

test("a trial has no verdict and says that it is one", () => {
  const text = table(report({ quick: true }));
  assert.match(text, /these figures say nothing/);
  assert.doesNotMatch(text, /\*\*no\*\*/);
});

test("a longer bar is more, on a scale of powers of ten", () => {
  const { ticks, at } = logarithmic([0.25, 62]);
  assert.deepEqual(ticks, [0.1, 1, 10, 100]);
  assert.ok(at(0.25) > 0 && at(0.25) < at(5) && at(62) < 1);
  assert.ok(logarithmic([1]).at(1) > 0);
  assert.ok(logarithmic([100]).at(100) <= 1);
});

test("the picture can be read aloud, and names cannot break it", () => {
  const peers = PEERS.map((peer) => (peer.name === "raw" ? { ...peer, title: "<raw> & bare" } : peer));
  const text = picture(report({ peers }));
  assert.match(
    text,
    /<desc id="desc">Fan-out to 2,000, one at a time, CPU s: &lt;raw&gt; &amp; bare 5\.50, Homeroom 11\.0\./,
  );
  assert.match(text, /prefers-color-scheme: dark/);
  assert.equal((text.match(/<rect /g) ?? []).length, 2);
  for (const tag of ["svg", "g", "text", "title", "desc", "style"]) {
    const [opened, closed] = [`<${tag}[ >]`, `</${tag}>`].map((what) => text.match(new RegExp(what, "g")).length);
    assert.equal(opened, closed, tag);
  }
});

test("there is a picture of nothing", () => {
  assert.match(picture(report({ rows: [] })), /<svg/);
});
