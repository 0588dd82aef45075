import assert from "node:assert/strict";
import { test } from "node:test";

import { foldRoster } from "../src/roster.ts";

const snapshot = '{"type":"snapshot","here":[{"user":"bob","connections":1},{"user":"alice","connections":2}],"anonymous":2}';

test("a snapshot begins anew, a diff continues", () => {
  const first = foldRoster({ here: ["zoe"], anonymous: 0 }, snapshot);
  assert.deepEqual(first, { here: ["alice", "bob"], anonymous: 2 });
  const second = foldRoster(first, '{"type":"diff","joined":["carol","bob"],"left":["alice"],"anonymous":1}');
  assert.deepEqual(second, { here: ["bob", "carol"], anonymous: 1 });
});

test("what is not a notice changes nothing", () => {
  const roster = { here: ["alice"], anonymous: 1 };
  for (const body of ["", "null", "{}", '{"type":"other","here":[]}']) assert.equal(foldRoster(roster, body), roster, body);
});
