// The four pages of broker/DASHBOARD.md, as they stand there: each shows every update once, in order, whatever becomes of
// its connections and of the broker.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

import { startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";
import { blocks, lendLibrary, pages, startShop, startWay } from "./dashboard.js";

const TIMEOUT = { timeout: 90_000 };
const TOP_SELLER = "/topic/shop/top-seller";
const DEFAULT = /127\.0\.0\.1:8080/g;

const lines = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => `Momo: ${first + place}`);

/** A shop whose page is open in a browser, with two updates from before. */
async function openPage(test, html) {
  const [shop, way] = [await startShop(test), await startWay(test)];
  const broker = await startBroker(test, { HOMEROOM__HTTP__ALLOWED_ORIGINS: shop.url });
  way.broker = broker.address;
  shop.put("/", html.replace(DEFAULT, way.address));
  const sold = async (first, last) => {
    for (let number = first; number <= last; number += 1) {
      const body = JSON.stringify({ book: "Momo", sold: number });
      const answer = await fetch(`${broker.url}/v1/messages?destination=${TOP_SELLER}`, { method: "POST", body });
      assert.equal(answer.status, 201);
    }
  };
  await sold(1, 2);
  const context = await (await openChromium(test)).newContext();
  await lendLibrary(context);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(`${shop.url}/`);
  const shown = () => page.locator("li").allInnerTexts();
  const shows = async (last) => {
    await until(`update ${last}`, async () => (await shown()).length >= last || shown());
    assert.deepEqual(await shown(), lines(1, last));
  };
  return { broker, way, sold, shows, faults };
}

// Most of their time they wait.
describe("top sellers", { concurrency: 4 }, async () => {
  const all = await pages();

  test("there are four pages", () => {
    assert.deepEqual(Object.keys(all), ["short polling", "long polling", "Server-Sent Events", "WebSocket"]);
  });

  for (const [name, html] of Object.entries(all)) {
    test(`${name}: every update once, in order`, TIMEOUT, async (t) => {
      const { broker, way, sold, shows, faults } = await openPage(t, html);
      await shows(2);
      await sold(3, 5);
      await shows(5);

      way.cut();
      await sold(6, 8);
      await shows(8);

      await broker.kill();
      await broker.restart();
      await sold(9, 60);
      await shows(60);

      // A proxy with an error of its own, also when the page asks again.
      way.refuses = true;
      way.cut();
      await sold(61, 62);
      await until("a page that was refused twice", () => way.refused >= 2 || way.refused);
      way.refuses = false;
      await shows(62);
      await sold(63, 64);
      await shows(64);
      assert.deepEqual(faults, []);
    });
  }

  test("the shop's two ways of publishing", TIMEOUT, async (t) => {
    const broker = await startBroker(t);
    const [lines] = await blocks("sh");
    const bin = path.dirname(path.resolve(process.env.HOMEROOM_BIN));
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, HOMEROOM_URL: `ws://${broker.address}/ws` };
    await promisify(execFile)("bash", ["-euc", lines.replace(DEFAULT, broker.address)], { env });
    const answer = await fetch(`${broker.url}/v1/messages?destination=${TOP_SELLER}`);
    const bodies = (await answer.json()).messages.map(({ body }) => JSON.parse(body));
    assert.deepEqual(bodies, [{ book: "Momo", sold: 1 }, { book: "Momo", sold: 2 }]);
  });
});
