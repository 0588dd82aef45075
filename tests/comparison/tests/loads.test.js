import assert from "node:assert/strict";
import test from "node:test";

import { load } from "../works/loads.js";

const work = (more = {}) =>
  load({ name: "some", bench: "latency", flags: ({ rate }) => ["--rate", rate], rows: [{ key: "a.b" }], ...more });

/** Does a work with a load that reports this. */
const done = (work, results) =>
  work.measure({
    peer: { name: "raw" },
    size: { rate: 20 },
    withServer: (options, use) => use({ options }),
    run: async (server, load, flags) => ({ told: [server.options, load, ...flags], ...results }),
  });

test("a load is told its size, and its server how to start", async () => {
  const { figures, results } = await done(work({ options: { raw: { join: 64 } } }), { a: { b: 7 } });
  assert.deepEqual(figures, { "a.b": 7 });
  assert.deepEqual(results.told, [{ join: 64 }, "latency", "--rate", 20]);
});

test("what was not delivered is not fast", async () => {
  await assert.rejects(done(work(), { a: { b: 1 }, missing: 3 }), /3 deliveries missing/);
  await assert.rejects(done(work(), { a: { b: 1 }, out_of_order: 1 }), /1 deliveries out of order/);
});

test("results that mean nothing are refused", async () => {
  const check = ({ count }) => {
    if (count === 0) throw new Error("nothing was met");
  };
  await assert.rejects(done(work({ check }), { a: { b: 0 }, count: 0 }), /nothing was met/);
});
