import assert from "node:assert/strict";
import { test } from "node:test";

import { readMessageId, readPosition, writePosition } from "../src/position.ts";
import { Reader } from "../src/reader.ts";

const at = (offset: number, epoch = "e1") => ({ epoch, offset, part: 0 });

test("a message id ends with the position", () => {
  assert.deepEqual(readMessageId("topic/7b@e1:42"), at(42));
  assert.deepEqual(readMessageId("odd@name@e1:42.3"), { epoch: "e1", offset: 42, part: 3 });
  assert.equal(readMessageId("something else"), undefined);
  assert.equal(writePosition({ epoch: "e1", offset: 42, part: 3 }), "e1:42.3");
  assert.deepEqual(readPosition("e1:42.3"), { epoch: "e1", offset: 42, part: 3 });
});

test("a page that shows nothing reads from the beginning, then the broker knows the place", () => {
  const reader = new Reader("broker");
  assert.deepEqual(reader.begin(true), { at: "first" });
  reader.receive(at(1), true);
  assert.deepEqual(reader.begin(true), { at: "kept" });
});

test("without a durable name the page says what it saw last", () => {
  const reader = new Reader("page");
  reader.begin(true);
  reader.receive(at(7), false);
  assert.deepEqual(reader.begin(true), { at: "after", position: "e1:7" });
});

test("behind a line that keeps no places the page says what it saw last, on every line", () => {
  const reader = new Reader("broker");
  assert.deepEqual(reader.begin(false), { at: "first" });
  reader.receive(at(7), true);
  assert.deepEqual(reader.begin(false), { at: "after", position: "e1:7" });
  assert.deepEqual(reader.begin(true), { at: "after", position: "e1:7" }, "the broker's cursor was left behind");
});

test("what was seen before is dropped, in and between transactions", () => {
  const reader = new Reader("broker");
  reader.begin(true);
  assert.ok(reader.receive({ epoch: "e1", offset: 3, part: 1 }, false));
  assert.ok(reader.receive({ epoch: "e1", offset: 3, part: 2 }, false));
  assert.equal(reader.receive({ epoch: "e1", offset: 3, part: 2 }, true), undefined);
  assert.equal(reader.receive(at(2), true), undefined);
  assert.ok(reader.receive(at(1, "e2"), true), "another epoch begins anew");
});

test("a late student did not miss what came before, a returning one did", () => {
  const reader = new Reader("broker");
  reader.begin(true);
  reader.began();
  assert.deepEqual(reader.receive(at(1), true), { how: "earlier" });
  assert.deepEqual(reader.receive(at(2), false), { how: "live" });
  reader.begin(true);
  assert.equal(reader.receive(at(2), true), undefined);
  assert.deepEqual(reader.receive(at(3), true), { how: "away", visit: 2 });
  assert.deepEqual(reader.receive(at(4), false), { how: "live" });
});

test("whoever left an empty classroom has missed its first message", () => {
  const reader = new Reader("broker");
  reader.begin(true);
  reader.began();
  reader.begin(true);
  assert.deepEqual(reader.receive(at(1), true), { how: "away", visit: 2 });
});

test("after a reload only what is new counts as missed", () => {
  const reader = new Reader("broker", at(5));
  assert.deepEqual(reader.begin(true), { at: "first" });
  assert.deepEqual(reader.receive(at(5), true), { how: "earlier" });
  assert.deepEqual(reader.receive(at(6), true), { how: "away", visit: 1 });
});
