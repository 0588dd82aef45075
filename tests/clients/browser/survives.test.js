// `ack:auto` on a durable subscription, with the library as it is: whatever happens to a page that lives on, its own log
// is complete once it has reconnected. Repeats are allowed, gaps are not.
//
// Guards against a cursor that follows the WebSocket Pong: a page in the back/forward cache answers Pings and loses what
// it was sent, and in Firefox the library's watchdog closes before the page has run what waits for it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, openFirefox, until } from "./browsers.js";
import { startSite } from "./site.js";

const HEARTBEATS = { HOMEROOM__STOMP__HEARTBEAT_SEND: "1s", HOMEROOM__STOMP__HEARTBEAT_RECEIVE: "1s" };
const QUIZ = "/topic/7b/quiz";
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => String(first + place));

/** The same verbs in both browsers. */
async function chromiumPage(test, url) {
  const context = await (await openChromium(test)).newContext();
  const page = await context.newPage();
  await page.goto(url);
  return {
    ask: (expression) => page.evaluate(expression),
    leave: () => page.goto(`${url}elsewhere`),
    // A page from the cache does not load again.
    goBack: () => page.goBack({ waitUntil: "commit" }),
    offline: (offline) => context.setOffline(offline),
  };
}

async function firefoxPage(test, url, line) {
  const page = await (await openFirefox(test)).newPage();
  await page.goto(url);
  return {
    ask: (expression) => page.evaluate(expression),
    leave: () => page.goto(`${url}elsewhere`),
    goBack: () => page.goBack(),
    // Firefox has no offline switch that holds open sockets: the line itself goes silent.
    offline: async (offline) => line.swallow(offline),
  };
}

for (const [browser, open] of [["Chromium", chromiumPage], ["Firefox", firefoxPage]]) {
  async function lesson(test) {
    const broker = await startBroker(test, HEARTBEATS);
    const { url, line, busy } = await startSite(test, broker.address);
    const page = await open(test, url, line);
    await until("the first subscription", () => page.ask("subscribed === 1"));
    await broker.publisher(QUIZ, numbers(1, 10));
    await until("live messages", () => page.ask("seen.length === 10"));
    return { page, line, busy, publish: (first, last) => broker.publisher(QUIZ, numbers(first, last)) };
  }

  async function isComplete(page, last) {
    const wanted = numbers(1, last);
    await until(`${last} messages in the page's log`, async () => {
      const seen = new Set(await page.ask("seen"));
      const missing = wanted.filter((number) => !seen.has(number));
      return missing.length === 0 || { missing };
    });
    assert.deepEqual([...new Set(await page.ask("seen"))], wanted, "each first seen in the order of the log");
  }

  test(`${browser}: offline for longer than the heart-beat`, { timeout: 120_000 }, async (t) => {
    const { page, publish } = await lesson(t);
    await page.offline(true);
    await publish(11, 110);
    await until("the library to give the connection up", () => page.ask("client.webSocket?.readyState !== WebSocket.OPEN"));
    await publish(111, 120);
    await page.offline(false);
    await isComplete(page, 120);
  });

  test(`${browser}: left, 100 messages, and back`, { timeout: 120_000 }, async (t) => {
    const { page, line, publish } = await lesson(t);
    await page.leave();
    // A cached page answers the Pings behind the messages: wait for that, it is what misleads a broker.
    const answered = browser === "Chromium" ? line.heard() : Promise.resolve();
    await publish(11, 110);
    await answered;
    await page.goBack();
    if (browser === "Chromium") {
      await until("the page from the cache", () => page.ask("events.includes('back from the cache')"));
    }
    await isComplete(page, 110);
    await publish(111, 120);
    await isComplete(page, 120);
  });

  test(`${browser}: busy for 4.5 s with heart-beats of 1 s`, { timeout: 120_000 }, async (t) => {
    const { page, line, busy, publish } = await lesson(t);
    await page.ask("beBusy(4500)");
    await busy;
    // A busy page sends no heart-beats. What the browser says by itself once it has the messages is the Pong.
    const answered = line.heard();
    await publish(11, 40);
    await answered;
    await until("the end of the long task", () => page.ask("events.includes('free again')"));
    await isComplete(page, 40);
    await publish(41, 50);
    await isComplete(page, 50);
  });
}
