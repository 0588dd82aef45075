// sockjs-client in Chromium over each of its transports, from a page of another site and through a proxy that knows
// nothing of WebSocket; unmodified stompjs on top.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, request as ask } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const packages = createRequire(import.meta.url);
const QUIZ = "/topic/7b/quiz";
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => `${first + place} ü 😀 100% </script>`);

/** A school's site: the page, and all below /ws passed on to the broker, but no upgrades. */
async function startSchool(test) {
  const stomp = path.resolve(path.dirname(packages.resolve("@stomp/stompjs")), "..", "bundles", "stomp.umd.js");
  const sockjs = path.resolve(path.dirname(packages.resolve("sockjs-client/package.json")), "dist", "sockjs.js");
  const files = {
    "/": { type: "text/html", bytes: await readFile(path.join(here, "sockjs.html")) },
    "/stomp.js": { type: "text/javascript", bytes: await readFile(stomp) },
    "/sockjs.js": { type: "text/javascript", bytes: await readFile(sockjs) },
  };
  const school = { broker: undefined };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://school");
    if (pathname === "/ws" || pathname.startsWith("/ws/")) return passOn(school.broker, request, response);
    const file = files[pathname];
    response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" });
    response.end(file?.bytes);
  });
  server.on("upgrade", (_, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  school.url = `http://127.0.0.1:${server.address().port}`;
  return school;
}

function passOn(broker, request, response) {
  const [host, port] = broker.split(":");
  const { method, url, headers } = request;
  const onward = ask({ host, port, method, path: url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

/** A page of the school in a lesson, over one transport or whatever the client finds. */
async function lesson(test, { transport, through }) {
  const school = await startSchool(test);
  const broker = await startBroker(test, {
    HOMEROOM__HTTP__ALLOWED_ORIGINS: school.url,
    HOMEROOM__SOCKJS__CLIENT_URL: `${school.url}/sockjs.js`,
  });
  school.broker = broker.address;
  const page = await (await (await openChromium(test)).newContext()).newPage();
  const base = through ? `${school.url}/ws` : `${broker.url}/ws`;
  const query = new URLSearchParams({ base, ...(transport && { transport }) });
  await page.goto(`${school.url}/?${query}`);
  await until("the first subscription", () => page.evaluate("subscribed === 1 || { closes, transport }"));
  return { broker, page, over: await page.evaluate("transport") };
}

const cases = [
  ...["websocket", "xhr-streaming", "eventsource", "xhr-polling"].map((transport) => ({ transport, through: false })),
  ...["iframe-eventsource", "iframe-xhr-polling", "iframe-htmlfile"].map((transport) => ({ transport, through: false })),
  ...["xhr-streaming", "eventsource", "htmlfile", "xhr-polling"].map((transport) => ({ transport, through: true })),
];

for (const { transport, through } of cases) {
  const where = through ? "through a proxy" : "from another site";
  test(`Chromium: ${transport} ${where}, and after the broker was killed`, { timeout: 120_000 }, async (t) => {
    const { broker, page, over } = await lesson(t, { transport, through });
    assert.equal(over, transport);
    await broker.publisher(QUIZ, numbers(1, 200));
    await until("live messages", async () => (await page.evaluate("seen.length")) >= 200 || page.evaluate("seen.length"));
    assert.deepEqual(await page.evaluate("seen"), numbers(1, 200));
    // What the page says: 70,000 letters that have to be escaped, and its heart-beats.
    await page.evaluate(`client.publish({ destination: "${QUIZ}", body: "\\u2028\\"ä".repeat(10000) })`);
    await until("its own message", async () => (await page.evaluate("seen.length")) === 201);
    assert.equal(await page.evaluate("seen[200] === '\\u2028\"ä'.repeat(10000)"), true);
    await broker.kill();
    await broker.restart();
    await until("the second subscription", () => page.evaluate("subscribed === 2 || closes"));
    const all = new Set(await page.evaluate("seen"));
    assert.equal(all.size, 201);
  });
}

test("Chromium: where WebSocket is blocked, the client finds another way", { timeout: 120_000 }, async (t) => {
  const { broker, page, over } = await lesson(t, { through: true });
  assert.equal(over, "xhr-streaming");
  await broker.publisher(QUIZ, numbers(1, 100));
  await until("live messages", async () => (await page.evaluate("seen.length")) === 100);
});
