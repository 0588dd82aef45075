// The browsers' own EventSource, with nothing of ours in the page: it gets every message once, in order, over a broker
// that is killed and comes back, because it says by itself where it was (Last-Event-ID).

import assert from "node:assert/strict";
import { test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, openFirefox, until } from "./browsers.js";

const QUIZ = "/topic/7b/quiz";
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => String(first + place));

const OPEN = `
  window.seen = []; window.opened = 0; window.gaps = 0;
  window.source = new EventSource("/v1/messages?destination=${QUIZ}");
  source.addEventListener("quiz", (event) => seen.push(event.data));
  source.addEventListener("gap", () => gaps++);
  source.onopen = () => opened++;
`;

/** Publishes over HTTP, one after the other, and checks that each is stored. */
async function publish(url, bodies) {
  for (const body of bodies) {
    const answer = await fetch(`${url}/v1/messages?destination=${QUIZ}`, { method: "POST", body });
    assert.equal(answer.status, 201);
  }
}

for (const [browser, open] of [["Chromium", openChromium], ["Firefox", openFirefox]]) {
  test(`${browser}: an EventSource has everything once, also what came while the broker was gone`, async (test) => {
    const broker = await startBroker(test);
    const page = await (await open(test)).newPage();
    await page.goto(broker.url);
    await page.evaluate(OPEN);
    await until("the stream is open", () => page.evaluate("opened === 1"));
    await publish(broker.url, [...numbers(1, 20), "several\nlines\n\nof: text"]);
    await until("live messages", () => page.evaluate("seen.length === 21"));

    await broker.kill();
    await broker.restart();
    await publish(broker.url, numbers(21, 40));
    await until("the rest", () => page.evaluate("seen.length >= 41"));
    await publish(broker.url, ["the end"]);
    await until("the end", () => page.evaluate("seen.at(-1) === 'the end'"));
    const seen = await page.evaluate("seen");
    assert.deepEqual(seen, [...numbers(1, 20), "several\nlines\n\nof: text", ...numbers(21, 40), "the end"]);
    assert.equal(await page.evaluate("gaps"), 0);
  });
}
