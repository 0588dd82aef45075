// Pages in a real browser: those of the broker's own origin and of the listed one come in by WebSocket, fetch and
// EventSource; those of another port, another name, no origin at all or a file do not, and what they sent is not stored.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { startBroker } from "./broker.js";
import { openChromium } from "./browsers.js";

const MESSAGES = "/v1/messages?destination=/topic/7b/quiz";
const PAGE = "<!doctype html><title>A page</title>";

/** Each way in, as a page tries it: whether it came in. */
const TRY = `async (address) => {
  const first = (target, yes, no) => new Promise((resolve) => {
    for (const name of yes) target.addEventListener(name, () => resolve(true), { once: true });
    for (const name of no) target.addEventListener(name, () => resolve(false), { once: true });
    setTimeout(() => resolve("no answer"), 10_000);
  });
  const asked = (path, options) => fetch("http://" + address + path, { signal: AbortSignal.timeout(10_000), ...options })
    .then((answer) => answer.ok, (error) => error.name === "TimeoutError" ? "no answer" : false);
  const socket = new WebSocket("ws://" + address + "/ws", ["v12.stomp"]);
  const source = new EventSource("http://" + address + "${MESSAGES}");
  const opened = [first(socket, ["open"], ["error", "close"]), first(source, ["open"], ["error"])];
  const found = {
    webSocket: await opened[0],
    events: await opened[1],
    read: await asked("${MESSAGES}"),
    publish: await asked("${MESSAGES}", { method: "POST", headers: { "content-type": "text/plain" }, body: location.href }),
    sockjs: await asked("/ws/info"),
    doctor: await asked("/v1/doctor/echo", { method: "POST", body: "x" }),
  };
  // A page that may not read the answer can still ask.
  await asked("${MESSAGES}", { method: "POST", mode: "no-cors", body: "blind" });
  socket.close();
  source.close();
  return found;
}`;

const every = (value) => ({ webSocket: value, events: value, read: value, publish: value, sockjs: value, doctor: value });

/** A site with a page, and a page that holds the first in a frame without an origin. */
async function site(test) {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(request.url === "/frame" ? '<!doctype html><iframe sandbox="allow-scripts" src="/"></iframe>' : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

async function tried(context, url, address, inFrame = false) {
  const page = await context.newPage();
  await page.goto(url, { waitUntil: "load" });
  const frame = inFrame ? page.frames()[1] : page.mainFrame();
  const origin = await frame.evaluate("self.origin");
  const found = await frame.evaluate(`(${TRY})("${address}")`);
  await page.close();
  return { origin, found };
}

test("Chromium: a page of another origin is refused by every door, one of a listed origin is not", async (test) => {
  const [listed, foreign] = [await site(test), await site(test)];
  const broker = await startBroker(test, { HOMEROOM__HTTP__ALLOWED_ORIGINS: `http://127.0.0.1:${listed}` });
  const directory = await mkdtemp(path.join(tmpdir(), "homeroom-page-"));
  test.after(() => rm(directory, { recursive: true, force: true }));
  const file = path.join(directory, "page.html");
  await writeFile(file, PAGE);
  const port = broker.address.split(":")[1];
  const context = await (await openChromium(test)).newContext();
  const stored = async () => (await (await fetch(`${broker.url}${MESSAGES}&from=first`)).json()).messages.length;

  const own = await tried(context, broker.url, broker.address);
  assert.deepEqual(own, { origin: broker.url, found: every(true) });
  const allowed = await tried(context, `http://127.0.0.1:${listed}/`, broker.address);
  assert.deepEqual(allowed, { origin: `http://127.0.0.1:${listed}`, found: every(true) });
  const before = await stored();
  assert.equal(before, 4);

  for (const [what, url, origin, inFrame] of [
    ["another port", `http://127.0.0.1:${foreign}/`, `http://127.0.0.1:${foreign}`],
    ["another name of the listed site", `http://localhost:${listed}/`, `http://localhost:${listed}`],
    ["another name of the broker", `http://localhost:${port}/`, `http://localhost:${port}`],
    ["no origin: a frame in a sandbox, even of the listed site", `http://127.0.0.1:${listed}/frame`, "null", true],
    ["no origin: a file", pathToFileURL(file).href, "null"],
    ["no origin: an address that is the page", `data:text/html,${encodeURIComponent(PAGE)}`, "null"],
  ]) {
    assert.deepEqual(await tried(context, url, broker.address, inFrame), { origin, found: every(false) }, what);
    assert.equal(await stored(), before, `${what}: something was stored`);
  }
});

test("Chromium: a page whose name is made to point at the broker is refused", async (test) => {
  const broker = await startBroker(test);
  const port = broker.address.split(":")[1];
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
  });
  test.after(() => browser.close());
  const page = await (await browser.newContext()).newPage();
  // Whatever page there is at this name, its scripts ask the broker and are, for the browser, of the same origin.
  await page.goto(`http://evil.example:${port}/`);
  assert.equal(await page.evaluate("self.origin"), `http://evil.example:${port}`);
  const found = await page.evaluate(`(${TRY})("evil.example:${port}")`);
  assert.deepEqual(found, every(false));
});
