// What is acknowledged, together or in a transaction, and what comes again.

import assert from "node:assert/strict";

const needsIndividual = { version: "1.1", why: "STOMP 1.0 has no client-individual" };

/** The headers of a durable subscription whose place the ACKs move. */
function durable(ack) {
  return { id: "lesson", durable: "true", ack };
}

async function publish(talk, place, ...messages) {
  for (const body of messages) await talk.send(place, body);
}

/** Receives four messages, acknowledges the second, comes back, and returns what comes again. */
async function afterAcknowledgingTheSecond(step, ack) {
  const options = { login: `${step.version}-${ack}` };
  const student = await step.open(options);
  const { inbox } = await student.subscribe(step.place, durable(ack));
  await publish(student, step.place, "1", "2", "3", "4");
  const messages = await inbox.take(4);
  await student.ack(messages[1]);
  student.drop();

  const returned = await step.open(options);
  const again = await returned.subscribe(step.place, durable(ack));
  await publish(returned, step.place, "5");
  const came = [await again.inbox.next()];
  while (came.at(-1).body !== "5") came.push(await again.inbox.next());
  const repeats = came.slice(0, -1);
  assert.ok(repeats.every(({ headers }) => headers.redelivered === "true"), "a repeat is marked");
  await returned.ack(came.at(-1));
  return repeats.map(({ body }) => body);
}

export const acknowledgements = [
  {
    name: "ack auto",
    async run(step) {
      const talk = await step.open();
      const { inbox } = await talk.subscribe(step.place, { ack: "auto", "prefetch-count": "1" });
      await publish(talk, step.place, "1", "2", "3");
      assert.deepEqual(await inbox.bodies(3), ["1", "2", "3"], "without an ACK");
    },
  },
  {
    name: "ack client",
    async run(step) {
      assert.deepEqual(await afterAcknowledgingTheSecond(step, "client"), ["3", "4"]);
    },
  },
  {
    name: "ack client-individual",
    since: needsIndividual,
    async run(step) {
      assert.deepEqual(await afterAcknowledgingTheSecond(step, "client-individual"), ["1", "3", "4"]);
    },
  },
  {
    name: "nack",
    since: { version: "1.1", why: "STOMP 1.0 has no NACK" },
    async run(step) {
      const talk = await step.open();
      const { inbox } = await talk.subscribe(step.place, { ack: "client-individual" });
      await publish(talk, step.place, "1", "2");
      const [first, second] = await inbox.take(2);
      await talk.nack(first);
      const again = await inbox.next();
      assert.equal(again.body, "1");
      assert.equal(again.headers.redelivered, "true");
      assert.equal(again.headers["delivery-count"], "2");
      for (const message of [again, second]) await talk.ack(message);
    },
  },
  {
    name: "transactions",
    async run(step) {
      const [teacher, noise] = [await step.open(), await step.open()];
      const { inbox } = await teacher.subscribe(step.place);
      const committed = await teacher.begin();
      for (const part of ["1", "2", "3"]) await committed.send(step.place, part);
      await noise.send(step.place, "meanwhile");
      assert.deepEqual(await inbox.bodies(1), ["meanwhile"], "nothing before COMMIT");
      await committed.commit();
      const parts = await inbox.take(3);
      assert.deepEqual(parts.map(({ body }) => body), ["1", "2", "3"]);
      assert.equal(new Set(parts.map(({ headers }) => headers.offset.split(".")[0])).size, 1, "one record");

      const aborted = await teacher.begin();
      await aborted.send(step.place, "never");
      await aborted.abort();
      await teacher.send(step.place, "after");
      assert.deepEqual(await inbox.bodies(1), ["after"], "ABORT shows nothing");
    },
  },
  {
    name: "ack in a transaction",
    async run(step) {
      const options = { login: `${step.version}-transaction` };
      const student = await step.open(options);
      const quiz = await student.subscribe(step.place, durable("client"));
      const answers = await student.subscribe(step.otherPlace);
      await publish(student, step.place, "1", "2", "3");
      const questions = await quiz.inbox.take(3);
      for (const [question, end] of [[questions[0], "commit"], [questions[2], "abort"]]) {
        const transaction = await student.begin();
        await transaction.ack(question);
        await transaction.send(step.otherPlace, `${end} ${question.body}`);
        await transaction[end]();
      }
      await student.send(step.otherPlace, "the end");
      assert.deepEqual(await answers.inbox.bodies(2), ["commit 1", "the end"]);
      student.drop();

      const returned = await step.open(options);
      const again = await returned.subscribe(step.place, durable("client"));
      assert.deepEqual(await again.inbox.bodies(2), ["2", "3"], "only the ACK that was committed counts");
    },
  },
  {
    name: "durable subscription",
    async run(step) {
      const options = { login: `${step.version}-durable` };
      const student = await step.open(options);
      const { inbox } = await student.subscribe(step.place, durable("client"));
      await publish(student, step.place, "1");
      await student.ack(await inbox.next());
      student.drop();

      const teacher = await step.open({ login: "teacher" });
      await publish(teacher, step.place, "2", "3", "4");
      const returned = await step.open(options);
      const again = await returned.subscribe(step.place, durable("client"));
      await publish(teacher, step.place, "5");
      assert.deepEqual(await again.inbox.bodies(4), ["2", "3", "4", "5"], "in order, once");
    },
  },
];
