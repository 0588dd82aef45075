import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

import type { Ending, LineEvents, Received } from "../src/line.ts";
import { PollingLine } from "../src/polling.ts";
import type { Credentials } from "../src/session.ts";
import { StreamLine } from "../src/stream.ts";

type Question = { path: string; query: URLSearchParams; method: string; headers: Record<string, string> };
type Answer = (asked: Question) => Response | Promise<Response>;

/** A line to a broker that answers as `answer` does, and what the line said. */
function lineTo(t: TestContext, Kind: typeof PollingLine | typeof StreamLine, answer: Answer, credentials?: Credentials) {
  const said: string[] = [];
  let ended: (ending: Ending) => void;
  let published: (key: string) => void;
  const closed = new Promise<Ending>((resolve) => (ended = resolve));
  const confirmed = new Promise<string>((resolve) => (published = resolve));
  const events: LineEvents = {
    stirred: () => {},
    welcomed: (user) => said.push(`welcome, ${user}`),
    renewed: () => {},
    expires: (inMs) => said.push(`for ${inMs} ms`),
    opened: () => said.push("opened"),
    subscribed: () => said.push("subscribed"),
    received: ({ body, position, replayed }: Received) => said.push(`${body} at ${position?.offset}${replayed ? ", replayed" : ""}`),
    present: () => {},
    unwatched: () => {},
    published: (key, position) => published(`${key} at ${position}`),
    refused: (key, { message }, final) => said.push(`refused ${key}: ${message}${final ? ", for good" : ""}`),
    closed: (ending) => ended(ending),
  };
  t.mock.method(globalThis, "fetch", async (address: string, init: RequestInit) => {
    const { pathname: path, searchParams: query } = new URL(address, "http://broker");
    return answer({ path, query, method: init.method ?? "GET", headers: Object.fromEntries(init.headers as Headers) });
  });
  const begin = () => ({ at: "after", position: "e:1" }) as const;
  const asked = { login: "zoë", credentials, id: "lesson", destination: "/topic/7b/quiz", durable: true, presence: undefined, begin };
  const line = new Kind(asked, events);
  t.after(() => line.close());
  return { line, said, closed, confirmed };
}

const page = (position: string, bodies: string[] = [], more = false): Response => {
  const messages = bodies.map((body, place) => ({ position: `e:${place + 2}`, destination: "/topic/7b/quiz", body }));
  return Response.json({ messages, position, more });
};
const problem = (status: number, title: string, more: object = {}): Response =>
  new Response(JSON.stringify({ title, detail: "", remedy: "", ...more }), { status, headers: { "content-type": "application/problem+json" } });
const never = (): Promise<Response> => new Promise(() => {});
const letter = { key: "k1", destination: "/topic/7b/answers", body: "{}", confirmed: () => {}, refused: () => {} };

test("pages are read until nothing more is there, then it waits behind them", async (t) => {
  const asked: string[] = [];
  const { line, said, closed } = lineTo(t, PollingLine, ({ query, headers }) => {
    assert.equal(headers["authorization"], `Basic ${Buffer.from("zoë:").toString("base64")}`);
    asked.push(`after ${query.get("after")}, wait ${query.get("wait")}`);
    if (asked.length === 1) return page("e:2", ["a"], true);
    if (asked.length === 2) return page("e:7");
    return asked.length === 3 ? page("e:8", ["b"]) : problem(403, "no");
  });
  line.open();
  assert.deepEqual((await closed).how, "ended");
  assert.deepEqual(asked, ["after e:1, wait null", "after e:2, wait null", "after e:7, wait 25", "after e:8, wait 25"]);
  assert.deepEqual(said, ["a at 2, replayed", "subscribed", "opened", "b at 2"]);
});

test("a position that is gone goes on with what is still kept", async (t) => {
  const asked: (string | null)[] = [];
  const { line, closed } = lineTo(t, PollingLine, ({ query }) => {
    asked.push(query.get("after"));
    if (asked.length === 1) return problem(410, "unrecoverable position", { kept: [{ after: "f:40" }] });
    return asked.length === 2 ? page("f:50") : problem(503, "stopping", { retryable: true });
  });
  line.open();
  assert.deepEqual(await closed, { how: "refused" });
  assert.deepEqual(asked, ["e:1", "f:40", "f:50"]);
});

test("a wait that is cut becomes shorter, and the line ends when the shortest is cut", async (t) => {
  const waits: (string | null)[] = [];
  const { line, closed } = lineTo(t, PollingLine, ({ query }) => {
    waits.push(query.get("wait"));
    if (query.has("wait")) throw new TypeError("cut");
    return page("e:1");
  });
  line.open();
  assert.deepEqual(await closed, { how: "cut" });
  assert.deepEqual(waits, [null, "25", null, "5", null, "1"]);
});

test("a stream is open with its first bytes, not with its head", async (t) => {
  let write!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (write = controller) });
  const { line, said, closed } = lineTo(t, StreamLine, ({ headers }) => (headers["accept"] ? new Response(body) : page("e:1")));
  line.open();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(said, ["subscribed"]);
  write.enqueue(Buffer.from('retry: 2000\nid: e:1\n\nid: e:2\nevent: quiz\ndata: {"position":"e:2","destination":"/topic/7b/quiz","body":"ü'));
  write.enqueue(Buffer.from('"}\n\nevent: gap\ndata: unknown\n\n'));
  write.close();
  assert.deepEqual(await closed, { how: "cut" });
  assert.deepEqual(said, ["subscribed", "opened", "ü at 2"]);
});

test("what something between refuses is sent again under the same key, what the broker refuses is not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const keys: (string | undefined)[] = [];
  const { line, said, confirmed } = lineTo(t, PollingLine, ({ method, headers }) => {
    if (method === "GET") return never();
    keys.push(headers["idempotency-key"]);
    if (keys.length === 1) return new Response("<h1>Blocked</h1>", { status: 403 });
    if (keys.length === 2) return problem(429, "too many", { retryable: true });
    return keys.length === 3 ? Response.json({ position: "e:9" }, { status: 201 }) : problem(413, "too large");
  });
  line.publish(letter);
  const answer = confirmed.then((text) => said.push(text));
  while (said.length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(1_000);
  }
  await answer;
  line.publish({ ...letter, key: "k2" });
  while (said.length < 3) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(keys, ["k1", "k1", "k1", "k2"]);
  assert.deepEqual(said, ["refused k1: too many", "k1 at e:9", "refused k2: too large, for good"]);
});

const bearer: Credentials = { by: "token", token: "a.b.c" };

test("the first page and a stream are had with tickets, all else with the token, and none of them has the token in its address", async (t) => {
  const asked: string[] = [];
  const answer: Answer = ({ path, query, headers }) => {
    const ticket = query.get("ticket");
    asked.push(`${path} ${ticket ?? headers["authorization"]}`);
    assert.equal([...query.values()].includes("a.b.c"), false);
    assert.equal(ticket !== null && "authorization" in headers, false, "one of them is enough");
    if (path === "/v1/tickets") return Response.json({ ticket: `t${asked.length}`, user: "alice", signed_in_for: 90 }, { status: 201 });
    return ticket === "t4" ? problem(401, "expired", { code: 109 }) : page("e:2", ["a"], asked.length === 2);
  };
  const { line, said, closed } = lineTo(t, StreamLine, answer, bearer);
  line.open();
  const ending = await closed;
  assert.deepEqual(ending.how === "ended" && ending.trouble.code, 109);
  assert.deepEqual(asked, [
    "/v1/tickets Bearer a.b.c",
    "/v1/messages t1",
    "/v1/messages Bearer a.b.c",
    "/v1/tickets Bearer a.b.c",
    "/v1/messages t4",
  ]);
  assert.deepEqual(said, ["welcome, alice", "for 90000 ms", "a at 2, replayed", "a at 2, replayed", "subscribed"]);
});

test("a ticket that came too late is no reason to ask who this is", async (t) => {
  const answer: Answer = ({ path, query }) => {
    if (path === "/v1/tickets") return Response.json({ ticket: "t", user: "alice" }, { status: 201 });
    return query.has("ticket") ? problem(401, "unauthorized", { code: 101 }) : page("e:1");
  };
  const { line, closed } = lineTo(t, StreamLine, answer, bearer);
  line.open();
  assert.deepEqual(await closed, { how: "cut" });
});

test("where nobody has to show who they are, the name alone is said", async (t) => {
  const { line, said, closed } = lineTo(t, PollingLine, ({ path, headers }) => {
    if (path === "/v1/tickets") return problem(404, "there is nothing");
    assert.equal(headers["authorization"], `Basic ${Buffer.from("zoë:").toString("base64")}`);
    return problem(403, "no");
  }, { by: "password", user: "zoë", password: "pw" });
  line.open();
  await closed;
  assert.deepEqual(said, ["welcome, undefined"]);
});

test("an answer that comes when the time is over is kept until it is known again who gives it", async (t) => {
  const { line, said, closed } = lineTo(t, PollingLine, ({ method }) => (method === "GET" ? never() : problem(401, "expired", { code: 109 })), bearer);
  line.publish(letter);
  const ending = await closed;
  assert.deepEqual(ending.how === "ended" && ending.trouble.code, 109);
  assert.deepEqual(said, []);
});
