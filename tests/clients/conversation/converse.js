// Takes one client through all steps, in each version that it speaks, and says
// one line of JSON for each: {event: "step", version, step, outcome, why}.
//
// The test that started it freezes the broker when it hears {event: "freeze"},
// and answers with a line.

import { once } from "node:events";
import { createInterface } from "node:readline";
import { deadline } from "./talk.js";
import { frozen, steps } from "./steps.js";

/**
 * @param client.versions the versions it speaks
 * @param client.open     makes a Talk from {url, host, port, version, login, headers, heartbeat, chunk}
 * @param client.cannot   reasons by step: one for all versions, or {version: reason}
 */
export async function converse(client) {
  const [, , url, tcp] = process.argv;
  const [host, port] = tcp.split(":");
  const course = { client, url, host, port: Number(port) };
  await Promise.all(client.versions.map((version) => converseIn(version, course)));

  const watched = [];
  for (const version of client.versions) {
    const step = new Step(frozen, version, course);
    const reason = step.skipped();
    if (reason) step.say("skipped", reason);
    else watched.push({ step, noticed: await frozen.prepare(step) });
  }
  say({ event: "freeze" });
  await once(createInterface({ input: process.stdin }), "line");
  await Promise.all(watched.map(({ step, noticed }) => step.run(() => noticed())));
  say({ event: "done" });
  process.exit(0);
}

async function converseIn(version, course) {
  for (const description of steps) {
    const step = new Step(description, version, course);
    const reason = step.skipped();
    if (reason) step.say("skipped", reason);
    else await step.run(() => description.run(step));
  }
}

/** What a step has to work with. */
class Step {
  #description;
  #course;
  #talks = [];

  constructor(description, version, course) {
    this.#description = description;
    this.#course = course;
    this.version = version;
    // A classroom of its own for each step.
    const room = `${description.name}-${version}`.replace(/[ .]/g, "-");
    this.place = `/topic/${room}/quiz`;
    this.otherPlace = `/topic/${room}/answers`;
    this.queue = `/queue/${room}/jobs`;
    /** Prefixes of logins that no other step has. */
    this.room = room;
  }

  /** Opens a connection of this client; it is gone when the step is over. */
  async open(options = {}) {
    const { client, ...addresses } = this.#course;
    const opening = client.open({ ...addresses, version: this.version, headers: {}, ...options });
    const talk = await deadline("CONNECTED", opening);
    this.#talks.push(talk);
    return talk;
  }

  /** Why this client does not take this step, if so. */
  skipped() {
    const { name, since } = this.#description;
    if (since && this.version < since.version) return since.why;
    const reason = this.#course.client.cannot?.[name];
    return typeof reason === "object" ? reason[this.version] : reason;
  }

  async run(work) {
    try {
      await work();
      for (const { stray } of this.#talks) {
        const unexpected = stray.size > 0 && JSON.stringify((await stray.take(stray.size)).map(({ headers }) => headers));
        if (unexpected) throw new Error(`a MESSAGE without its subscription: ${unexpected}`);
      }
      this.say("passed");
    } catch (error) {
      this.say("failed", error.stack);
    }
    for (const talk of this.#talks) talk.drop();
  }

  say(outcome, why) {
    say({ event: "step", version: this.version, step: this.#description.name, outcome, why });
  }
}

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
