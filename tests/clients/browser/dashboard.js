// The pages of broker/DASHBOARD.md as a shop has them: from a site of its own, with the broker somewhere else and
// something between that breaks.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";

const DOCUMENT = new URL("../../../broker/DASHBOARD.md", import.meta.url);
const LIBRARY = path.resolve(path.dirname(createRequire(import.meta.url).resolve("@stomp/stompjs")), "..");
const REFUSED = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** What stands between the fences of one language, in the order of the document. */
export async function blocks(language) {
  const text = await readFile(DOCUMENT, "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, block]) => block);
}

/** The pages by what their titles say of the way. */
export async function pages() {
  const all = (await blocks("html")).map((html) => [/<title>Top seller, (.*)<\/title>/.exec(html)[1], html]);
  return Object.fromEntries(all);
}

/** Serves what `put` puts there. */
export async function startShop(test) {
  const files = new Map();
  const server = createServer(({ url }, response) => {
    response.writeHead(files.has(url) ? 200 : 404, { "content-type": "text/html" });
    response.end(files.get(url));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, put: (name, html) => files.set(name, html) };
}

/** A way to the broker that can be cut, and that can answer every request with an error of its own, which it counts. */
export async function startWay(test) {
  const ends = new Set();
  const way = { broker: undefined, refuses: false, refused: 0, cut: () => ends.forEach((end) => end.destroy()) };
  const server = net.createServer((browser) => {
    hold(browser);
    if (way.refuses) return browser.once("data", () => (way.refused += 1, browser.end(REFUSED)));
    const [host, port] = way.broker.split(":");
    const broker = hold(net.connect({ host, port: Number(port) }));
    browser.pipe(broker).pipe(browser);
    browser.on("close", () => broker.destroy());
    broker.on("close", () => browser.destroy());
  });
  function hold(end) {
    ends.add(end);
    end.on("error", () => end.destroy());
    end.on("close", () => ends.delete(end));
    return end;
  }
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    way.cut();
    server.close();
  });
  way.address = `127.0.0.1:${server.address().port}`;
  return way;
}

/** Answers for the host that the page loads its library from, with the installed one of the same version. */
export async function lendLibrary(context) {
  const { version } = JSON.parse(await readFile(path.join(LIBRARY, "package.json"), "utf8"));
  const address = `https://cdn.jsdelivr.net/npm/@stomp/stompjs@${version}/bundles/stomp.umd.min.js`;
  await context.route(address, (route) => route.fulfill({ path: path.join(LIBRARY, "bundles", "stomp.umd.min.js") }));
}
