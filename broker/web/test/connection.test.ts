import assert from "node:assert/strict";
import { test } from "node:test";

import { AGAIN_FIRST_MS, BETTER_FIRST_MS, OPEN_WITHIN_MS, STEADY_MS } from "../src/choice.ts";
import { Connection } from "../src/connection.ts";
import type { Asked, LineEvents, LineName } from "../src/line.ts";
import type { Letter } from "../src/outbox.ts";
import { Reader } from "../src/reader.ts";
import type { Credentials } from "../src/session.ts";
import { FakeClock } from "./clock.ts";

/** A line that does what the test says. */
interface FakeLine extends LineEvents {
  readonly name: LineName;
  readonly asked: Asked;
  readonly letters: Letter[];
  /** Tokens that were shown in the middle of the conversation. */
  readonly renewals: string[];
  isClosed: boolean;
}

/** A page on lines that do nothing by themselves. */
function page() {
  const clock = new FakeClock();
  const lines: FakeLine[] = [];
  const shown: string[] = [];
  const circumstances = { isCalm: true };
  const world = {
    line: (name: LineName, asked: Asked, events: LineEvents) => {
      const line: FakeLine = { ...events, name, asked, letters: [], renewals: [], isClosed: false };
      lines.push(line);
      const made = { open: () => {}, publish: (letter: Letter) => line.letters.push(letter), close: () => void (line.isClosed = true) };
      return name === "websocket" ? { ...made, renew: (token: string) => line.renewals.push(token) } : made;
    },
    now: () => clock.now,
    after: (ms: number, act: () => void) => clock.after(ms, act),
    isCalm: () => circumstances.isCalm,
  };
  const reader = new Reader("broker");
  const received = ({ body }: { body: string }): void => void shown.push(body);
  const subscription = { id: "lesson", destination: "/topic/7b/quiz", durable: true, reader, received };
  const watch = { destination: "/topic/7b/$presence", received: () => {}, unknown: () => {} };
  const sitting: { credentials?: Credentials; user?: string | undefined } = {};
  const member = {
    login: "alice",
    credentials: () => sitting.credentials,
    byCookie: (isWorthAsking: boolean) => void (sitting.credentials = isWorthAsking ? { by: "cookie" } : undefined),
    welcomed: (user?: string) => void (sitting.user = user),
  };
  const connection = new Connection(member, subscription, watch, () => {}, world);
  connection.comeBack();
  const last = (): FakeLine => lines.at(-1)!;
  return {
    connection,
    clock,
    lines,
    shown,
    circumstances,
    sitting,
    last,
    names: () => lines.map(({ name }) => name),
    open: (): FakeLine => {
      last().stirred();
      last().opened();
      last().subscribed();
      return last();
    },
    /** The line in use does not open, as often as it takes. */
    cannotOpen: (name: LineName) => {
      while (last().name === name) {
        if (name !== "websocket") last().stirred();
        last().closed({ how: "cut" });
        clock.pass(AGAIN_FIRST_MS);
      }
    },
  };
}

function message(offset: number) {
  const position = { epoch: "e", offset, part: 0 };
  return { destination: "/topic/7b/quiz", body: `m${offset}`, user: undefined, at: undefined, position, replayed: false };
}

test("it begins with the WebSocket and stays there", () => {
  const { connection, clock, open, names } = page();
  open();
  assert.deepEqual(connection.status, { is: "connected", line: "websocket" });
  clock.pass(10 * BETTER_FIRST_MS);
  assert.deepEqual(names(), ["websocket"]);
});

test("a WebSocket that twice cannot be opened gives way to the event stream, and that to long polling", () => {
  const { connection, cannotOpen, open, names } = page();
  cannotOpen("websocket");
  cannotOpen("stream");
  open();
  assert.deepEqual(names(), ["websocket", "websocket", "stream", "stream", "polling"]);
  assert.deepEqual(connection.status, { is: "connected", line: "polling" });
});

test("a WebSocket that is closed soon after it opened, again, gives way", () => {
  const { connection, clock, open, last, names } = page();
  open().closed({ how: "cut" });
  assert.equal(connection.status.is, "lost");
  clock.pass(AGAIN_FIRST_MS);
  open().closed({ how: "cut" });
  clock.pass(0);
  assert.deepEqual(names(), ["websocket", "websocket", "stream"]);
  assert.equal(last().isClosed, false);
});

test("a line that held for a while is tried again", () => {
  const { clock, open, names } = page();
  for (let time = 0; time < 3; time += 1) {
    const line = open();
    clock.pass(STEADY_MS);
    line.closed({ how: "cut" });
    clock.pass(AGAIN_FIRST_MS);
  }
  assert.deepEqual(names(), ["websocket", "websocket", "websocket", "websocket"]);
});

test("a line that opens and stays silent gives way when its time is over", () => {
  const { clock, last, lines, names } = page();
  clock.pass(OPEN_WITHIN_MS - 1);
  assert.deepEqual(names(), ["websocket"]);
  clock.pass(1);
  assert.deepEqual(names(), ["websocket", "stream"]);
  assert.ok(lines[0]!.isClosed);
  clock.pass(OPEN_WITHIN_MS - 1);
  last().stirred();
  clock.pass(OPEN_WITHIN_MS - 1);
  assert.deepEqual(names(), ["websocket", "stream"], "pages that come are a sign of life");
  clock.pass(1);
  assert.deepEqual(names(), ["websocket", "stream", "polling"]);
});

test("without any network the line that worked last is tried, later and later", () => {
  const { clock, last, lines, open } = page();
  open();
  clock.pass(STEADY_MS);
  const tried: string[] = [];
  for (let time = 0; time < 9; time += 1) {
    last().closed({ how: "cut" });
    const [before, since] = [lines.length, clock.now];
    clock.pass(0);
    while (lines.length === before) clock.pass(1_000);
    tried.push(`${last().name} after ${(clock.now - since) / 1_000} s`);
  }
  assert.deepEqual(tried, [
    "websocket after 1 s",
    "websocket after 2 s",
    "stream after 0 s",
    "websocket after 4 s",
    "websocket after 8 s",
    "stream after 0 s",
    "websocket after 16 s",
    "websocket after 30 s",
    "stream after 0 s",
  ]);
});

test("without any network a line over HTTP that worked last takes turns with the WebSocket", () => {
  const { cannotOpen, clock, last, lines, open } = page();
  cannotOpen("websocket");
  open();
  clock.pass(STEADY_MS);
  const from = lines.length;
  while (lines.length < from + 6) {
    last().closed({ how: "cut" });
    const before = lines.length;
    while (lines.length === before) clock.pass(AGAIN_FIRST_MS);
  }
  const tried = lines.slice(from).map(({ name }) => name);
  assert.deepEqual(tried, ["stream", "websocket", "websocket", "stream", "websocket", "websocket"]);
});

test("a network so slow that no line is in time is given more of it", () => {
  const { clock, last, lines } = page();
  for (const afterMs of [OPEN_WITHIN_MS, 2 * OPEN_WITHIN_MS, 4 * OPEN_WITHIN_MS]) {
    for (const name of ["websocket", "stream"]) {
      assert.equal(last().name, name);
      const [line, before] = [last(), lines.length];
      clock.pass(afterMs - 1);
      assert.ok(!line.isClosed);
      clock.pass(1);
      assert.ok(line.isClosed);
      while (lines.length === before) clock.pass(1_000);
    }
  }
});

test("what the broker refuses is no fault of the line", () => {
  const { clock, last, names } = page();
  for (let time = 0; time < 4; time += 1) {
    last().closed({ how: "refused" });
    clock.pass(AGAIN_FIRST_MS * 2 ** time);
  }
  assert.deepEqual(names(), Array(5).fill("websocket"));
});

test("the next line goes on behind what was shown, and nothing is shown twice", () => {
  const { cannotOpen, clock, last, open, shown } = page();
  open();
  for (const offset of [1, 2]) last().received(message(offset));
  const abandoned = last();
  cannotOpen("websocket");
  assert.deepEqual(last().asked.begin(false), { at: "after", position: "e:2" });
  open();
  abandoned.received(message(3));
  for (const offset of [2, 3, 4]) last().received(message(offset));
  clock.pass(BETTER_FIRST_MS);
  assert.equal(last().name, "websocket");
  assert.deepEqual(last().asked.begin(true), { at: "after", position: "e:4" });
  assert.deepEqual(shown, ["m1", "m2", "m3", "m4"]);
});

test("a better line is tried beside the one in use, which stays until the other has opened", () => {
  const { cannotOpen, clock, connection, last, lines, open, shown } = page();
  cannotOpen("websocket");
  const stream = open();
  clock.pass(BETTER_FIRST_MS);
  assert.equal(last().name, "websocket");
  stream.received(message(1));
  assert.deepEqual(connection.status, { is: "connected", line: "stream" });
  open();
  assert.deepEqual(connection.status, { is: "connected", line: "websocket" });
  assert.ok(stream.isClosed);
  last().received(message(1));
  last().received(message(2));
  assert.deepEqual(shown, ["m1", "m2"]);
  clock.pass(10 * BETTER_FIRST_MS);
  assert.equal(lines.at(-1), last());
});

test("a better line that fails disturbs nobody and is tried more seldom", () => {
  const { cannotOpen, clock, connection, last, lines, open } = page();
  cannotOpen("websocket");
  open();
  const before = lines.length;
  for (const afterMs of [BETTER_FIRST_MS, 2 * BETTER_FIRST_MS, 4 * BETTER_FIRST_MS]) {
    clock.pass(afterMs - 1);
    assert.ok(last().isClosed || last().name === "stream");
    clock.pass(1);
    assert.equal(last().name, "websocket");
    last().closed({ how: "cut" });
    assert.deepEqual(connection.status, { is: "connected", line: "stream" });
  }
  assert.equal(lines.length, before + 3);
});

test("a better line that does not hold is left at once for the one before", () => {
  const { cannotOpen, clock, last, open } = page();
  cannotOpen("websocket");
  cannotOpen("stream");
  open();
  clock.pass(BETTER_FIRST_MS);
  assert.equal(last().name, "websocket");
  open().closed({ how: "cut" });
  clock.pass(0);
  assert.equal(last().name, "polling");
});

test("no better line is tried while somebody writes or an answer is on its way", () => {
  const { cannotOpen, circumstances, clock, connection, last, open } = page();
  cannotOpen("websocket");
  const stream = open();
  circumstances.isCalm = false;
  clock.pass(2 * BETTER_FIRST_MS);
  circumstances.isCalm = true;
  void connection.publish("/topic/7b/answers", {});
  clock.pass(BETTER_FIRST_MS);
  assert.equal(last(), stream);
  stream.published(stream.letters[0]!.key, "e:5");
  clock.pass(BETTER_FIRST_MS);
  assert.equal(last().name, "websocket");
});

test("what is not confirmed goes out again on the next line, under the same key", async () => {
  const { cannotOpen, connection, last, lines, open } = page();
  open();
  const answer = connection.publish("/topic/7b/answers", { option: 1 });
  cannotOpen("websocket");
  open();
  assert.equal(last().name, "stream");
  assert.deepEqual(last().letters.map(({ key }) => key), lines[0]!.letters.map(({ key }) => key));
  last().published(last().letters[0]!.key, "e:5");
  assert.equal(await answer, "e:5");
});

test("when the network has changed, the next try does not wait", () => {
  const { cannotOpen, connection, last, open } = page();
  cannotOpen("websocket");
  open();
  connection.hurry();
  assert.equal(last().name, "websocket");
});

test("who goes away or is not wanted does not come back by itself", async () => {
  const { clock, connection, last, lines, open } = page();
  open();
  await connection.goAway();
  clock.pass(10 * BETTER_FIRST_MS);
  assert.equal(lines.length, 1);
  connection.comeBack();
  open();
  const trouble = { message: "no", reason: "", remedy: "", code: 117 };
  last().closed({ how: "ended", trouble });
  clock.pass(10 * BETTER_FIRST_MS);
  assert.deepEqual([connection.status, lines.length], [{ is: "ended", trouble }, 2]);
});

const refusal = (code: number) => ({ how: "ended", trouble: { message: "no", reason: "", remedy: "", code } }) as const;

test("who is not known is asked, and what waits goes out once they are", () => {
  const { connection, last, lines, open, sitting, clock } = page();
  void connection.publish("/topic/7b/answers", { option: 1 });
  last().closed(refusal(101));
  assert.deepEqual([connection.asksWho, last().asked.credentials], [undefined, { by: "cookie" }], "the browser may have a cookie");
  last().closed(refusal(101));
  assert.equal(connection.asksWho, "first");
  clock.pass(10 * BETTER_FIRST_MS);
  assert.deepEqual([lines.length, sitting.credentials], [2, undefined], "the same is not tried again by itself");
  sitting.credentials = { by: "password", user: "alice", password: "wrong" };
  connection.comeBack();
  assert.equal(last().asked.credentials, sitting.credentials);
  last().closed(refusal(101));
  assert.equal(connection.asksWho, "again");
  sitting.credentials = { by: "token", token: "a.b.c" };
  connection.comeBack();
  last().welcomed("alice");
  assert.deepEqual([connection.user, sitting.user, last().letters.length], ["alice", "alice", 0]);
  open();
  assert.deepEqual([connection.asksWho, last().letters.length], [undefined, 1]);
  last().closed(refusal(109));
  assert.equal(connection.asksWho, "expired");
});

test("who has a cookie is asked nothing, and a newer one is found when the time is over", () => {
  const { connection, last, lines, open, sitting } = page();
  last().closed(refusal(101));
  last().welcomed("alice");
  open();
  assert.deepEqual([connection.user, connection.status.is, lines.length], ["alice", "connected", 2]);
  last().closed(refusal(109));
  open();
  assert.deepEqual([connection.status.is, lines.length, last().asked.credentials], ["connected", 3, { by: "cookie" }]);
  last().closed(refusal(109));
  last().closed(refusal(101));
  assert.deepEqual([connection.asksWho, lines.length, sitting.credentials], ["expired", 4, undefined]);
  connection.comeBack();
  last().closed(refusal(101));
  last().closed(refusal(103));
  assert.deepEqual([connection.asksWho, connection.status.is === "ended" && connection.status.trouble.code], [undefined, 103]);
});

test("a newer token is shown in the middle of the conversation, and on a line of its own if that is refused", () => {
  const { connection, clock, last, lines, open, sitting } = page();
  const token = (token: string): Credentials => ({ by: "token", token });
  sitting.credentials = token("first");
  connection.comeBack();
  last().welcomed("alice");
  open();
  last().expires(30_000);
  assert.equal(connection.isRunningOut, true);
  sitting.credentials = token("second");
  connection.renew();
  assert.deepEqual([last().renewals, lines.length], [["second"], 2]);
  last().renewed(true, 300_000);
  assert.deepEqual([connection.isRunningOut, connection.status.is], [false, "connected"]);
  clock.pass(240_000);
  assert.equal(connection.isRunningOut, true);
  sitting.credentials = token("of somebody else");
  connection.renew();
  last().renewed(false);
  assert.deepEqual([lines.length, last().asked.credentials], [3, sitting.credentials]);
  open();
  sitting.credentials = { by: "password", user: "alice", password: "correct horse" };
  connection.renew();
  assert.equal(lines.length, 4, "a password is shown at the beginning alone");
});

test("a minute before the time is over it is said, and newer credentials take that back", () => {
  const { connection, clock, last, open, sitting } = page();
  sitting.credentials = { by: "token", token: "a.b.c" };
  connection.comeBack();
  last().welcomed("alice");
  last().expires(300_000);
  open();
  clock.pass(239_999);
  assert.equal(connection.isRunningOut, false);
  clock.pass(1);
  assert.equal(connection.isRunningOut, true);
  connection.comeBack();
  last().welcomed("alice");
  open();
  assert.equal(connection.isRunningOut, false);
  last().expires(30_000);
  assert.equal(connection.isRunningOut, true, "less than a minute is said at once");
  last().welcomed("alice");
  last().expires(10 ** 12);
  clock.pass(10 ** 9);
  assert.equal(connection.isRunningOut, false, "longer than a timer can wait");
});
