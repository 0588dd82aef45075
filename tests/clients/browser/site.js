// A school's web site in front of the broker: serves a page with the unmodified library and tunnels /ws byte by byte,
// so that a test can see what the browser sends, and can swallow the line without either side being told.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const library = path.resolve(path.dirname(createRequire(import.meta.url).resolve("@stomp/stompjs")), "..", "bundles", "stomp.umd.js");

export async function startSite(test, brokerAddress) {
  const files = {
    "/": { type: "text/html", bytes: await readFile(path.join(here, "page.html")) },
    "/page.js": { type: "text/javascript", bytes: await readFile(path.join(here, "page.js")) },
    "/stomp.js": { type: "text/javascript", bytes: await readFile(library) },
    "/busy": { type: "text/plain", bytes: Buffer.from("noted") },
    "/elsewhere": { type: "text/html", bytes: Buffer.from("<!doctype html><title>Elsewhere</title>") },
  };
  let sayBusy;
  const busy = new Promise((resolve) => (sayBusy = resolve));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    const file = files[pathname];
    if (pathname === "/busy") sayBusy();
    response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" });
    response.end(file?.bytes);
  });
  const line = new Line(brokerAddress);
  server.on("upgrade", (request, browser, head) => line.tunnel(request, browser, head));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    line.cut();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}/`, line, busy };
}

class Line {
  #broker;
  #tunnels = new Set();
  #listeners = new Set();
  #swallows = false;

  constructor(brokerAddress) {
    const [host, port] = brokerAddress.split(":");
    this.#broker = { host, port: Number(port) };
  }

  /** Bytes vanish in both directions and nothing is closed, as when a laptop leaves the Wi-Fi. */
  swallow(swallows) {
    this.#swallows = swallows;
    // What was swallowed is missing from these streams: they cannot go on.
    if (!swallows) this.cut();
  }

  cut() {
    for (const end of this.#tunnels) end.destroy();
  }

  /** The next bytes that the browser sends. */
  heard() {
    return new Promise((resolve) => this.#listeners.add(resolve));
  }

  tunnel({ method, url, rawHeaders }, browser, head) {
    if (this.#swallows) return void browser.destroy();
    const broker = net.connect(this.#broker);
    const headers = rawHeaders.map((text, place) => text + (place % 2 === 0 ? ": " : "\r\n")).join("");
    broker.write(`${method} ${url} HTTP/1.1\r\n${headers}\r\n`);
    broker.write(head);
    browser.on("data", () => {
      for (const resolve of this.#listeners) resolve();
      this.#listeners.clear();
    });
    this.#join(browser, broker);
    this.#join(broker, browser);
  }

  #join(from, to) {
    this.#tunnels.add(from);
    from.on("data", (bytes) => this.#swallows || to.write(bytes));
    from.on("end", () => this.#swallows || to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#tunnels.delete(from);
      if (!this.#swallows) to.destroy();
    });
  }
}
