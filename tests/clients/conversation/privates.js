// What is for one person, and what is for one connection.

import assert from "node:assert/strict";

const MARKS = "/user/queue/marks";

export const privates = [
  {
    name: "private destination",
    async run(step) {
      const [owner, other] = [`alice-${step.room}`, `mallory-${step.room}`];
      const [alice, mallory] = [await step.open({ login: owner }), await step.open({ login: other })];
      const [hers, others] = [await alice.subscribe(MARKS), await mallory.subscribe(MARKS)];
      const teacher = await step.open({ login: "teacher" });
      await teacher.send(`/user/${owner}/queue/marks`, "for alice");
      await teacher.send(`/user/${other}/queue/marks`, "for mallory");
      const message = await hers.inbox.next();
      assert.equal(message.body, "for alice");
      assert.equal(message.headers.destination, MARKS);
      assert.equal(message.headers["user-id"], "teacher");
      assert.deepEqual(await others.inbox.bodies(1), ["for mallory"], "and nothing of alice's");
      assert.equal(hers.inbox.size + others.inbox.size, 0);
    },
  },
  {
    name: "request and reply",
    async run(step) {
      const [service, alice] = [await step.open(), await step.open()];
      const { inbox } = await service.subscribe(step.place);
      const replies = alice.replies("answers");
      await alice.send(step.place, "how late is it?", { "reply-to": "/temp-queue/answers", "correlation-id": "q1" });
      const { headers } = await inbox.next();
      assert.match(headers["reply-to"], /^\/reply-queue\//, "an address that nobody can guess");
      await service.send(headers["reply-to"], "half past", { "correlation-id": headers["correlation-id"] });
      const reply = await replies.next();
      assert.equal(reply.body, "half past");
      assert.equal(reply.headers.subscription, "/temp-queue/answers");
      assert.equal(reply.headers["correlation-id"], "q1");
    },
  },
];
