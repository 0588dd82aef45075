import assert from "node:assert/strict";
import test from "node:test";

import { sendQueue } from "../machine.js";
import { said } from "../stomp.js";
import { frame, splitter } from "../websocket.js";
import { split } from "../works/disk.js";
import { growth } from "../works/stalled.js";

/** What a server would send: the same frame without its mask. */
function unmasked(payload) {
  const bytes = frame(Buffer.from(payload));
  const head = bytes.length - payload.length - 4;
  const server = Buffer.concat([bytes.subarray(0, head), Buffer.from(payload)]);
  server[1] &= 0x7f;
  return server;
}

test("frames of all lengths are found wherever the bytes are cut", () => {
  const all = ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(65_535), "e".repeat(65_536)];
  const bytes = Buffer.concat(all.map(unmasked));
  for (const step of [1, 7, 4096, bytes.length]) {
    const found = [];
    const take = splitter((_, payload) => found.push(payload.toString()));
    for (let at = 0; at < bytes.length; at += step) take(bytes.subarray(at, at + step));
    assert.deepEqual(found, all, `cut every ${step} bytes`);
  }
});

test("a STOMP frame is one masked text message", () => {
  const bytes = said("SEND", { destination: "/topic/a" }, "hello");
  assert.deepEqual([...bytes.subarray(0, 2)], [0x81, 0x80 | 33]);
  assert.equal(bytes.subarray(6).toString(), "SEND\ndestination:/topic/a\n\nhello\0");
});

test("the send queue is that of the server's side of the connection", () => {
  const table = `\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 0100007F:9C40 01 003B8200:00000000 01:00000014 00000000     0        0 2
   2: 0100007F:9C40 0100007F:1F90 01 00000000:0000A000 00:00000000 00000000     0        0 3
   3: 0100007F:1F90 0100007F:9C41 08 000000FF:00000000 00:00000000 00000000     0        0 4
`;
  assert.equal(sendQueue(table, 8080, 40_000), 0x3b8200);
  assert.equal(sendQueue(table, 8080, 40_001), undefined, "it is being closed");
  assert.equal(sendQueue(table, 8080, 40_002), undefined);
});

test("two stores tell what a message costs for each student and for all", () => {
  const size = { few: 10, many: 30, messages: 100 };
  const bytes = (students) => 100 * (250 + 7 * students);
  assert.deepEqual(split({ 10: bytes(10), 30: bytes(30) }, size), {
    bytes_per_message_and_student: 7,
    bytes_per_message: 250,
  });
});

test("what grows anyway is not laid to the stalled reader", () => {
  assert.equal(growth({ first: { rss: 100 }, second: { rss: 130 }, third: { rss: 260 } }), 100);
  assert.equal(growth({ first: { rss: 100 }, second: { rss: 90 }, third: { rss: 190 } }), 100);
});
