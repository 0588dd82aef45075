// Proxies as schools have them, each wrong in its own way. They stand between a browser and the broker, speak
// HTTP/1.1, and leave Host as it is.
//
// | Proxy | What it does |
// | --- | --- |
// | `blocksUpgrade` | answers 403 to whoever asks for a WebSocket |
// | `stripsUpgrade` | passes the request on as if it had asked for a page |
// | `closesWebSockets` | accepts each WebSocket and closes it at once |
// | `silencesWebSockets` | accepts each WebSocket and passes nothing on |
// | `buffers` | no WebSocket, and keeps every answer until it is whole |
// | `cutsIdle` | cuts each connection on which nothing was said for 2 s |
// | `forgetsIdle` | passes nothing on any more where nothing was said for 2 s, and closes nothing |
// | `caches` | answers a question with the JSON that it had before |
// | `readsOnly` | answers 405 to whoever sends |
// | `renames` | asks the broker by another name than the page has |
// | `signsIn` | answers with a page of its own to all but the page |
// | `leadsAway` | leads all but the page to another address |

import { createHash } from "node:crypto";
import { createServer, request as ask } from "node:http";
import net from "node:net";

const NAME = "lessons.school.example";
const REFUSED = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

const IDLE_MS = 2_000;
/** RFC 6455, 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export const PROXIES = {
  blocksUpgrade: { upgrade: (_, browser) => browser.end(REFUSED) },
  stripsUpgrade: { upgrade: strip },
  closesWebSockets: { upgrade: (request, browser) => accept(request, browser).end() },
  silencesWebSockets: { upgrade: accept },
  buffers: { upgrade: strip, keepsAnswers: true },
  cutsIdle: { upgrade: tunnel, idleMs: IDLE_MS },
  forgetsIdle: { forgets: true },
  caches: { upgrade: tunnel, instead: caching },
  readsOnly: { upgrade: tunnel, instead: () => ({ method }) => method === "POST" && { status: 405 } },
  renames: { upgrade: rename, host: NAME },
  signsIn: elsewhere({ status: 200, headers: { "content-type": "text/html" }, body: "<h1>Please sign in</h1>" }),
  leadsAway: elsewhere({ status: 302, headers: { location: "http://127.0.0.1:9/sign-in" } }),
};

function rename(request, browser, head, broker) {
  const isHost = (place) => place % 2 === 1 && request.rawHeaders[place - 1].toLowerCase() === "host";
  const rawHeaders = request.rawHeaders.map((text, place) => (isHost(place) ? NAME : text));
  tunnel({ method: request.method, url: request.url, rawHeaders }, browser, head, broker);
}

function elsewhere(answer) {
  return { upgrade: (_, browser) => browser.end(REFUSED), instead: () => ({ url }) => url.startsWith("/v1/") && answer };
}

/** Starts one of them; its `relent()` makes it an honest one. */
export async function startProxy(test, brokerAddress, { forgets, upgrade, keepsAnswers = false, idleMs = 0, instead, host: name }) {
  const [host, port] = brokerAddress.split(":");
  const broker = { host, port: Number(port) };
  if (forgets) return startForgetting(test, broker);
  const insteadOf = instead?.() ?? (() => undefined);
  const open = new Set();
  let isHonest = false;
  const server = createServer((request, response) => {
    const own = !isHonest && insteadOf(request, response);
    if (own) return response.writeHead(own.status, own.headers).end(own.body);
    if (name) request.headers.host = name;
    pass(broker, request, response, keepsAnswers && !isHonest);
  });
  server.on("upgrade", (request, browser, head) => {
    browser.on("error", () => browser.destroy());
    (isHonest ? tunnel : upgrade)(request, browser, head, broker);
  });
  server.on("connection", (browser) => {
    open.add(browser);
    browser.on("close", () => open.delete(browser));
    // Counts what goes in either direction.
    if (idleMs > 0) browser.setTimeout(idleMs, () => isHonest || browser.destroy());
  });
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    for (const browser of open) browser.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, relent: () => (isHonest = true) };
}

function pass(broker, { method, url, headers }, response, keepsAnswers, body = response.req) {
  const asked = ask({ ...broker, method, path: url, headers }, (answer) => {
    if (!keepsAnswers) {
      response.writeHead(answer.statusCode, answer.headers);
      // Small pieces leave at once.
      response.flushHeaders();
      answer.pipe(response);
      return;
    }
    const pieces = [];
    answer.on("data", (piece) => pieces.push(piece));
    answer.on("end", () => {
      response.writeHead(answer.statusCode, answer.headers);
      response.end(Buffer.concat(pieces));
    });
    answer.on("error", () => response.destroy());
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  body.pipe(asked);
}

/** The broker sees a request for a page where WebSockets are. */
function strip({ method, url, headers }, browser, _, broker) {
  const kept = Object.entries(headers).filter(([name]) => !["upgrade", "connection"].includes(name) && !name.startsWith("sec-websocket"));
  const asked = ask({ ...broker, method, path: url, headers: { ...Object.fromEntries(kept), connection: "close" } }, (answer) => {
    browser.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    answer.resume();
  });
  asked.on("error", () => browser.destroy());
  asked.end();
}

function accept({ headers }, browser) {
  const key = createHash("sha1").update(headers["sec-websocket-key"] + GUID).digest("base64");
  const protocol = headers["sec-websocket-protocol"]?.split(",")[0].trim();
  browser.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${key}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}\r\n`,
  );
  browser.resume();
  return browser;
}

function tunnel({ method, url, rawHeaders }, browser, head, broker) {
  const line = net.connect(broker);
  const headers = rawHeaders.map((text, place) => text + (place % 2 === 0 ? ": " : "\r\n")).join("");
  line.write(`${method} ${url} HTTP/1.1\r\n${headers}\r\n`);
  line.write(head);
  browser.pipe(line);
  line.pipe(browser);
  for (const [one, other] of [[browser, line], [line, browser]]) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}

/** Keeps what was JSON, whatever the answer says of caches. */
function caching() {
  const kept = new Map();
  return ({ method, url }, response) => {
    if (method !== "GET") return undefined;
    if (kept.has(url)) return { status: 200, headers: { "content-type": "application/json" }, body: kept.get(url) };
    const { writeHead, write, end } = response;
    const pieces = [];
    let isKept = false;
    response.writeHead = (status, headers) => {
      isKept = status === 200 && headers["content-type"] === "application/json";
      return writeHead.call(response, status, headers);
    };
    response.write = (piece) => (pieces.push(piece), write.call(response, piece));
    response.end = () => {
      if (isKept) kept.set(url, Buffer.concat(pieces));
      return end.call(response);
    };
    return undefined;
  };
}

/** Below HTTP: a connection of which nothing is known any more once it was quiet. */
async function startForgetting(test, broker) {
  const open = new Set();
  const server = net.createServer((browser) => {
    const line = net.connect(broker);
    browser.pipe(line);
    line.pipe(browser);
    browser.setTimeout(IDLE_MS, () => {
      for (const [one, other] of [[browser, line], [line, browser]]) one.unpipe(other).resume();
    });
    for (const [one, other] of [[browser, line], [line, browser]]) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}` };
}
