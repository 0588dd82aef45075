import assert from "node:assert/strict";
import test from "node:test";

import { median, reached, summary } from "../summary.js";
import { AWAY_WORK, FANOUT_WORK, measured, PEERS } from "./report.js";

test("the median of an even number of values lies between the middle two", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 2, 4, 1]), 3);
  assert.equal(median([7]), 7);
});

test("a ratio is taken within a round, so that a slow round spoils none", () => {
  // In the second round everything took ten times as long.
  const all = [...measured("fanout", "raw", [1, 10, 1]), ...measured("fanout", "homeroom", [2, 20, 3])];
  const [{ cells }] = summary([FANOUT_WORK], PEERS, all);
  assert.deepEqual(cells.homeroom.ratio, { median: 2, min: 2, max: 3 });
  assert.deepEqual([cells.homeroom.median, cells.homeroom.min, cells.homeroom.max], [3, 2, 20]);
  assert.equal(cells.raw.ratio, undefined);
  assert.equal(cells.homeroom.client_busy, 0.5);
});

test("a round in which the base failed has no ratio, and what failed is counted", () => {
  const all = [...measured("fanout", "raw", [1, undefined]), ...measured("fanout", "homeroom", [2, 5])];
  const [{ cells }] = summary([FANOUT_WORK], PEERS, all);
  assert.deepEqual(cells.homeroom.ratio, { median: 2, min: 2, max: 2 });
  assert.equal(cells.raw.failed, 1);
  assert.deepEqual(cells.raw.values, [1]);
});

test("a peer that always failed has no median, and one that was not asked no cell", () => {
  const [{ cells }] = summary([FANOUT_WORK], PEERS, measured("fanout", "rabbitmq", [undefined, undefined]));
  assert.deepEqual(cells, {
    rabbitmq: { values: [], ratio: undefined, client_busy: undefined, client_late_us: undefined, failed: 2 },
  });
});

test("a row may stand on the same peer's figure in another work", () => {
  const all = [...measured("fanout", "homeroom", [10, 20]), ...measured("away", "homeroom", [9, 19])];
  const rows = summary([FANOUT_WORK, AWAY_WORK], PEERS, all);
  const away = rows.find(({ work }) => work === "away");
  assert.deepEqual(away.cells.homeroom.ratio, { median: 0.925, min: 0.9, max: 0.95 });
  assert.equal(reached(away), false);
});

test("values are told in the row's unit", () => {
  const [, memory] = summary([FANOUT_WORK], PEERS, measured("fanout", "homeroom", [1]));
  assert.equal(memory.cells.homeroom.median, 4);
  assert.equal(memory.cells.homeroom.ratio, undefined);
  assert.equal(reached(memory), true);
});

test("a goal is neither reached nor missed while its figure is not known", () => {
  const [fanout] = summary([FANOUT_WORK], PEERS, measured("fanout", "homeroom", [1]));
  assert.equal(reached(fanout), undefined);
  const [missing] = summary([FANOUT_WORK], PEERS, measured("fanout", "raw", [1]));
  assert.equal(reached(missing), undefined);
});
