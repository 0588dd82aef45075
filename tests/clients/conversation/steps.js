// The conversation, step by step. A step that is added here is added in
// `stomp.py`, in `every_client.rs` and in the table of tests/README.md too.

import assert from "node:assert/strict";
import { acknowledgements } from "./acknowledgements.js";
import { bodies } from "./bodies.js";
import { privates } from "./privates.js";
import { queues } from "./queues.js";
import { refusals } from "./refusals.js";

/** Longer than client and broker forgive silence: they expect a life sign each second. */
const HEARTBEAT_MS = 1_000;
const SILENCE_MS = 3_000;

const needsHeartbeats = { version: "1.1", why: "STOMP 1.0 has no heart-beats" };

const connections = [
  {
    name: "connect",
    async run(step) {
      const talk = await step.open();
      assert.equal(talk.version, step.version);
      assert.match(talk.hello.server, /^homeroom\//);
      // Over TCP there is no subprotocol.
      if (talk.protocol !== undefined) assert.equal(talk.protocol, `v${step.version.replace(".", "")}.stomp`);
    },
  },
  {
    name: "heart-beats",
    since: needsHeartbeats,
    async run(step) {
      const talk = await step.open({ heartbeat: HEARTBEAT_MS });
      // Not a wait for something: the silence itself is what both sides must survive.
      await talk.within("silence", new Promise((resolve) => setTimeout(resolve, SILENCE_MS)));
      await talk.send(step.place, "still here");
    },
  },
  {
    name: "receipt of SEND",
    async run(step) {
      const talk = await step.open();
      const came = [];
      await Promise.all(["a", "b", "c"].map((body) => talk.send(step.place, body).then(() => came.push(body))));
      assert.deepEqual(came, ["a", "b", "c"], "receipts come in the order asked");
    },
  },
  {
    name: "receipt of SUBSCRIBE",
    async run(step) {
      const talk = await step.open();
      const { receipt } = await talk.subscribe(step.place);
      assert.equal(receipt.resumed, "false");
    },
  },
  {
    name: "receipt of UNSUBSCRIBE",
    async run(step) {
      const talk = await step.open();
      const subscription = await talk.subscribe(step.place);
      await subscription.unsubscribe();
    },
  },
  {
    name: "receipt of DISCONNECT",
    async run(step) {
      const talk = await step.open();
      await talk.leave();
    },
  },
];

const subscriptions = [
  {
    name: "send and leave",
    async run(step) {
      const listener = await step.open();
      const { inbox } = await listener.subscribe(step.place);
      const hurried = await step.open();
      for (const number of [1, 2, 3]) hurried.send(step.place, `parting word ${number}`);
      await hurried.leave();
      assert.deepEqual(await inbox.bodies(3), ["parting word 1", "parting word 2", "parting word 3"]);
    },
  },
  {
    name: "unsubscribe",
    async run(step) {
      const talk = await step.open();
      const first = await talk.subscribe(step.place);
      const second = await talk.subscribe(step.place);
      await talk.send(step.place, "to both");
      assert.deepEqual([await first.inbox.bodies(1), await second.inbox.bodies(1)], [["to both"], ["to both"]]);
      await first.unsubscribe();
      for (const body of ["to the second", "and again"]) await talk.send(step.place, body);
      assert.deepEqual(await second.inbox.bodies(2), ["to the second", "and again"]);
      assert.equal(first.inbox.size, 0);
    },
  },
  {
    name: "two subscriptions",
    async run(step) {
      const talk = await step.open();
      const [quiz, answers] = [await talk.subscribe(step.place), await talk.subscribe(step.otherPlace)];
      for (const number of [1, 2]) {
        await talk.send(step.place, `question ${number}`);
        await talk.send(step.otherPlace, `answer ${number}`);
      }
      assert.deepEqual(await quiz.inbox.bodies(2), ["question 1", "question 2"]);
      assert.deepEqual(await answers.inbox.bodies(2), ["answer 1", "answer 2"]);
    },
  },
];

export const steps = [
  ...connections,
  ...acknowledgements,
  ...queues,
  ...privates,
  ...bodies,
  ...refusals,
  ...subscriptions,
];

/** The last step: the broker's process is stopped, not ended, so that nothing but silence comes. */
export const frozen = {
  name: "frozen broker",
  since: needsHeartbeats,
  /** Connects; what it returns waits until the client has noticed. */
  async prepare(step) {
    const talk = await step.open({ heartbeat: HEARTBEAT_MS });
    return () => deadlineOfSilence(talk);
  },
};

async function deadlineOfSilence(talk) {
  const silent = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("the client did not notice")), 10 * HEARTBEAT_MS).unref();
  });
  const { closed } = await Promise.race([talk.ended, silent]);
  assert.ok(closed, "it ends without an ERROR");
}
