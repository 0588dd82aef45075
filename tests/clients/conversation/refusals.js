// What is refused is explained, and the connection ends.

import assert from "node:assert/strict";

const NOWHERE = "/nowhere/x";

/** The ERROR that ends the talk after `work`, whose own promise the end breaks. */
async function refused(talk, work) {
  const broken = work().catch(() => {});
  const { error } = await talk.ended;
  await broken;
  assert.ok(error, "an ERROR comes before the close");
  return error;
}

function explains({ headers }) {
  assert.equal(headers.message, "unknown destination");
}

export const refusals = [
  {
    name: "refused SUBSCRIBE",
    async run(step) {
      const talk = await step.open();
      explains(await refused(talk, () => talk.subscribe(NOWHERE)));
    },
  },
  {
    name: "refused SEND",
    async run(step) {
      const talk = await step.open();
      explains(await refused(talk, () => talk.send(NOWHERE, "hello?")));
    },
  },
  {
    name: "whole ERROR",
    async run(step) {
      const talk = await step.open();
      const { headers, body } = await refused(talk, () => talk.send(NOWHERE, "hello?"));
      assert.equal(headers.code, "102");
      assert.equal(headers["receipt-id"], talk.lastReceipt);
      assert.match(body, /\/topic\//, "it says what to write instead");
    },
  },
];
