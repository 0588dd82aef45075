import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "../src/events.ts";

const STREAM = 'retry: 2000\nid: e:1\n\n:\n\nid: e:2\nevent: quiz\ndata: {"a":1}\n\nevent:gap\ndata:1-2\r\n\r\ndata\ndata: b\n\n';
const EVENTS = [
  { name: "quiz", data: '{"a":1}' },
  { name: "gap", data: "1-2" },
  { name: "message", data: "\nb" },
];

test("events are read as they come, in pieces of any size", () => {
  assert.deepEqual(new EventReader().read(STREAM), EVENTS);
  for (const size of [1, 2, 7]) {
    const reader = new EventReader();
    const pieces = Array.from({ length: Math.ceil(STREAM.length / size) }, (_, place) => STREAM.slice(place * size, (place + 1) * size));
    assert.deepEqual(pieces.flatMap((piece) => reader.read(piece)), EVENTS, `${size} at a time`);
  }
});
