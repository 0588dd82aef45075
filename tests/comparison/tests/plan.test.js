import assert from "node:assert/strict";
import test from "node:test";

import { options } from "../options.js";
import { plan, remaining } from "../plan.js";
import { WORKS } from "../works/index.js";
import { PEERS } from "../peers/index.js";
import { AWAY_WORK, FANOUT_WORK, PEERS as THREE } from "./report.js";

const told = (steps) => steps.map(({ round, work, peer }) => `${round} ${work.name} ${peer.name}`);

test("every round asks every peer in turn, and another one begins", () => {
  const steps = plan({ works: [FANOUT_WORK], peers: THREE, rounds: 2 });
  assert.deepEqual(told(steps), [
    "1 fanout raw",
    "1 fanout rabbitmq",
    "1 fanout homeroom",
    "2 fanout rabbitmq",
    "2 fanout homeroom",
    "2 fanout raw",
  ]);
});

test("a peer is asked only for what it can do, a dear work less often", () => {
  const steps = plan({ works: [{ ...AWAY_WORK, rounds: 1 }], peers: THREE, rounds: 3 });
  assert.deepEqual(told(steps), ["1 away homeroom"]);
});

test("what remains is what the same took before", () => {
  const steps = plan({ works: [FANOUT_WORK], peers: THREE, rounds: 1 });
  const measurements = [
    { work: "fanout", peer: "raw", seconds: 2 },
    { work: "fanout", peer: "rabbitmq", seconds: 10 },
  ];
  assert.equal(remaining(steps, measurements), 2 + 10 + 6);
});

test("the command line names what it does not know", () => {
  assert.throws(() => options(["--only", "fanout,flight"]), /"flight" is none of fanout,/);
  assert.throws(() => options(["--peers", ""]), /is none of raw,/);
  assert.throws(() => options(["--rounds", "many"]), /--rounds many: write a whole number/);
  assert.equal(options(["--quick"]).rounds, 1);
  assert.equal(options([]).whole, true);
  assert.equal(options(["--only", "idle"]).whole, false);
  assert.ok(!options([]).works.some(({ name }) => name === "opening-big"));
  assert.ok(options(["--big"]).works.some(({ name }) => name === "opening-big"));
});

test("every work can be done as it is written", () => {
  const names = WORKS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const work of WORKS) {
    assert.ok(work.sizes.full && work.sizes.quick, work.name);
    work.peers.forEach((name) =>
      assert.ok(
        PEERS.some((peer) => peer.name === name),
        `${work.name}: ${name}`,
      ),
    );
    for (const { key, title, unit, base } of work.rows) {
      assert.ok(key && title && unit, work.name);
      if (base?.work) assert.ok(WORKS.find(({ name }) => name === base.work).rows.some((row) => row.key === key));
      if (base?.peer) assert.ok(work.peers.includes(base.peer), work.name);
    }
  }
});
