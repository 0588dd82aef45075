import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox, uniqueKey } from "../src/outbox.ts";

function letter(key: string, said: string[]) {
  return {
    key,
    destination: "/topic/7b/answers",
    body: "{}",
    confirmed: (position: string | undefined) => said.push(`${key} at ${position}`),
    refused: (reason: string) => said.push(`${key} refused: ${reason}`),
  };
}

test("what was not confirmed goes out again under the same key, in order", () => {
  const [outbox, said, posted]: [Outbox, string[], string[]] = [new Outbox(), [], []];
  outbox.put(letter("a", said));
  outbox.connected(({ key }) => posted.push(key));
  outbox.put(letter("b", said));
  outbox.put(letter("c", said));
  outbox.confirm("b", "e:2");
  outbox.disconnected();
  outbox.connected(({ key }) => posted.push(`again ${key}`));
  outbox.confirm("a", "e:1");
  outbox.confirm("a", "e:1");
  assert.deepEqual(posted, ["a", "b", "c", "again a", "again c"]);
  assert.deepEqual(said, ["b at e:2", "a at e:1"]);
  assert.equal(outbox.waiting, 1);
});

test("a refused letter is not tried again", () => {
  const [outbox, said]: [Outbox, string[]] = [new Outbox(), []];
  outbox.put(letter("a", said));
  assert.ok(outbox.refuse("a", "too large"));
  assert.ok(!outbox.refuse("never sent", "too large"));
  outbox.connected(() => assert.fail("posted again"));
  assert.deepEqual(said, ["a refused: too large"]);
});

test("keys differ", () => {
  assert.match(uniqueKey(), /^[0-9a-f]{24}$/);
  assert.notEqual(uniqueKey(), uniqueKey());
});
