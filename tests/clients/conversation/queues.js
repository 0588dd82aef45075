// A work queue: each message goes to one consumer, and stays until it is acknowledged.

import assert from "node:assert/strict";

const needsNack = { version: "1.1", why: "STOMP 1.0 has no NACK" };

/** A consumer that acknowledges what it has done. It acknowledges the first of several, which 1.0 can say as well. */
function consume(talk, queue, window) {
  const ack = talk.version === "1.0" ? "client" : "client-individual";
  return talk.subscribe(queue, { ack, "prefetch-count": String(window) });
}

async function send(step, ...jobs) {
  const service = await step.open();
  for (const job of jobs) await service.send(step.queue, job);
}

export const queues = [
  {
    name: "work queue",
    async run(step) {
      const [leaving, staying] = [await step.open(), await step.open()];
      const lost = await consume(leaving, step.queue, 2);
      const kept = await consume(staying, step.queue, 2);
      await send(step, "1", "2", "3", "4");
      const [ofLeaving, ofStaying] = [await lost.inbox.take(2), await kept.inbox.take(2)];
      const all = [...ofLeaving, ...ofStaying];
      assert.deepEqual(all.map(({ body }) => body).sort(), ["1", "2", "3", "4"], "each to one of them");
      for (const { headers } of all) assert.equal(headers.redelivered, undefined, "for the first time");
      await leaving.ack(ofLeaving[0]);
      await staying.ack(ofStaying[0]);
      leaving.drop();

      const again = await kept.inbox.next();
      assert.equal(again.body, ofLeaving[1].body, "what the other did not do");
      assert.equal(again.headers.redelivered, "true");
      assert.equal(again.headers["delivery-count"], "2");
      for (const message of [ofStaying[1], again]) await staying.ack(message);
      await send(step, "5");
      assert.deepEqual(await kept.inbox.bodies(1), ["5"], "nothing that was acknowledged");
    },
  },
  {
    name: "dead letters",
    since: needsNack,
    async run(step) {
      const talk = await step.open();
      const dead = await talk.subscribe(`${step.queue}/$dead`, { ack: "client-individual" });
      const { inbox } = await consume(talk, step.queue, 1);
      await talk.send(step.queue, "poison", { "x-pupil": "7" });
      await talk.send(step.queue, "good");
      await talk.nack(await inbox.next(), { requeue: "false" });
      assert.deepEqual(await inbox.bodies(1), ["good"]);
      const letter = await dead.inbox.next();
      assert.equal(letter.body, "poison");
      assert.equal(letter.headers["dead-letter-reason"], "rejected");
      assert.equal(letter.headers["original-destination"], step.queue);
      assert.equal(letter.headers["x-pupil"], "7");
      await talk.ack(letter);
    },
  },
  {
    name: "browse a queue",
    async run(step) {
      await send(step, "1", "2");
      const talk = await step.open();
      const { inbox } = await talk.subscribe(step.queue, { browser: "true" });
      assert.deepEqual(await inbox.bodies(2), ["1", "2"]);
      const end = await inbox.next();
      assert.deepEqual([end.headers.browser, end.body], ["end", ""]);
      const consumer = await consume(talk, step.queue, 2);
      const messages = await consumer.inbox.take(2);
      assert.deepEqual(messages.map(({ body }) => body), ["1", "2"], "who looks takes nothing");
      for (const { headers } of messages) assert.equal(headers.redelivered, undefined);
    },
  },
];
