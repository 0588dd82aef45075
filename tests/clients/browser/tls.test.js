// Under TLS the browser speaks HTTP/2 by itself: a page has more event streams open at once than the six that HTTP/1.1
// allows for one host, and its WebSocket beside them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";

const QUIZ = "/topic/7b/quiz";
const STREAMS = 8;

/** A certificate that signs itself, and its key. */
async function certificate(test) {
  const directory = await mkdtemp(path.join(tmpdir(), "homeroom-tls-"));
  test.after(() => rm(directory, { recursive: true, force: true }));
  const [file, key] = ["fullchain.pem", "privkey.pem"].map((name) => path.join(directory, name));
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
  const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", file];
  execFileSync("openssl", [...made, ...named], { stdio: "ignore" });
  return { HOMEROOM__TLS__CERTIFICATE: file, HOMEROOM__TLS__KEY: key };
}

const OPEN = `
  window.seen = Array.from({ length: ${STREAMS} }, () => []);
  window.sources = seen.map((list) => {
    const source = new EventSource("/v1/messages?destination=${QUIZ}");
    source.addEventListener("quiz", (event) => list.push(event.data));
    return source;
  });
  window.frames = [];
  window.socket = new WebSocket("wss://" + location.host + "/ws", ["v12.stomp"]);
  socket.onopen = () => socket.send("CONNECT\\naccept-version:1.2\\nhost:school\\n\\n\\0");
  socket.onmessage = (event) => {
    frames.push(event.data);
    if (event.data.startsWith("CONNECTED")) socket.send("SUBSCRIBE\\nid:s\\ndestination:${QUIZ}\\nreceipt:r\\n\\n\\0");
  };
`;

/** How often the page asked for messages, and by which protocol each time. */
const PROTOCOLS = `
  performance.getEntriesByType("resource").filter(({ name }) => name.includes("/v1/messages"))
    .map(({ nextHopProtocol }) => nextHopProtocol)
`;

test("eight event streams of one page are open at once, and its WebSocket beside them", async (test) => {
  const broker = await startBroker(test, await certificate(test));
  const context = await (await openChromium(test)).newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const answer = await page.goto(broker.url);
  assert.equal(answer.status(), 200);
  await page.evaluate(OPEN);
  await until("all streams are open", () => page.evaluate("sources.every((source) => source.readyState === 1)"));
  await until("the subscription", () => page.evaluate("frames.some((frame) => frame.startsWith('RECEIPT'))"));
  const numbers = Array.from({ length: 50 }, (_, number) => String(number));
  await broker.publisher(QUIZ, numbers);
  await until("every message on every stream", () => page.evaluate("seen.every((list) => list.length === 50)"));
  for (const list of await page.evaluate("seen")) assert.deepEqual(list, numbers);
  await until("every message on the WebSocket", () =>
    page.evaluate("frames.filter((frame) => frame.startsWith('MESSAGE')).length === 50"),
  );
  await page.evaluate("sources.forEach((source) => source.close())");
  await until("the streams are told of", async () => (await page.evaluate(PROTOCOLS)).length === STREAMS);
  assert.deepEqual(await page.evaluate(PROTOCOLS), Array(STREAMS).fill("h2"));
});
