// The lesson page behind proxies that misbehave: through each of them a student has the whole lesson, once, in order,
// and can answer; and the page says over which line.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";
import { PROXIES, startProxy } from "./proxies.js";

const TIMEOUT = { timeout: 60_000 };
const QUIZ = "/topic/7b/quiz";
const ANSWERS = "/topic/7b/answers";

const asked = (number) => JSON.stringify({ type: "question", id: `q${number}`, text: `Question ${number}?`, options: ["yes", "no"] });
const questions = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => asked(first + place));

/** A broker, a proxy before it, and a student whose page only knows the proxy. Two questions were asked before. */
async function lesson(test, proxy) {
  const broker = await startBroker(test);
  const { url, relent } = await startProxy(test, broker.address, proxy);
  await broker.publisher(QUIZ, questions(1, 2));
  const browser = await openChromium(test);
  const enter = async (address) => {
    const page = await browser.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.setDefaultTimeout(30_000);
    await page.goto(`${url}/${address}`);
    return { page, faults };
  };
  return { broker, enter, relent, ...(await enter("#/student/7b/alice")) };
}

const shows = (page, words) => page.locator(".line").getByText(words, { exact: true }).waitFor();
const numbers = (page) =>
  page.locator(".entry[data-what=asked]").evaluateAll((all) => all.map((entry) => Number(/(\d+)\?/.exec(entry.innerText)[1])));

async function hasAll(page, last) {
  const wanted = Array.from({ length: last }, (_, place) => place + 1);
  await until(`questions 1 to ${last}`, async () => (await numbers(page)).length >= last || numbers(page));
  assert.deepEqual(await numbers(page), wanted, "each once, in order");
}

/** What the log has of the student's answers. */
async function answers(url) {
  const page = await fetch(`${url}/v1/messages?destination=${ANSWERS}`);
  return (await page.json()).messages.map(({ user, body }) => ({ user, ...JSON.parse(body) }));
}

// Most of their time they wait, for what a proxy never does.
describe("behind a proxy", { concurrency: 4 }, () => {
  for (const [name, line, cuts = 0] of [
    ["blocksUpgrade", "live, over HTTP"],
    ["stripsUpgrade", "live, over HTTP"],
    ["closesWebSockets", "live, over HTTP"],
    ["silencesWebSockets", "live, over HTTP"],
    ["buffers", "asking every few seconds"],
    ["cutsIdle", "asking every few seconds", 2],
  ]) {
    test(`a proxy that ${name}: the whole lesson, ${line}`, TIMEOUT, async (t) => {
      const { broker, page, faults } = await lesson(t, PROXIES[name]);
      await hasAll(page, 2);
      // Some are asked while the page is cut off or still looks for a line.
      for (let number = 3; number < 3 + cuts; number += 1) {
        await page.locator(".status[data-is=lost]").waitFor();
        await broker.publisher(QUIZ, [asked(number)]);
        await hasAll(page, number);
      }
      await broker.publisher(QUIZ, questions(3 + cuts, 10));
      await shows(page, line);
      await hasAll(page, 10);
      for (let number = 11; number <= 15; number += 1) {
        await broker.publisher(QUIZ, [asked(number)]);
        await hasAll(page, number);
      }
      await page.locator(".options button").nth(1).click();
      await page.locator(".receipt .tick").waitFor();
      assert.deepEqual(await answers(broker.url), [{ user: "alice", question: "q15", option: 1 }]);
      await shows(page, line);
      assert.equal(await page.locator(".unlisted").count(), 1, "says that nobody is shown");
      assert.equal(await page.locator(".unlisted .why").getAttribute("href"), "/doctor", "says where to find out why");
      assert.deepEqual(faults, []);
    });
  }

  test("a proxy that relents: the page goes on live, with nothing lost or twice", TIMEOUT, async (t) => {
    const { broker, page, relent } = await lesson(t, PROXIES.buffers);
    await shows(page, "asking every few seconds");
    await broker.publisher(QUIZ, questions(3, 5));
    await hasAll(page, 5);
    relent();
    // As the browser says when the network changes; by itself the page would try within a minute.
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await shows(page, "live");
    await broker.publisher(QUIZ, questions(6, 8));
    await hasAll(page, 8);
    await page.locator(".roster").getByText("alice").waitFor();
  });

  test("a lesson given and taken over HTTP alone", TIMEOUT, async (t) => {
    const { enter, page: alice } = await lesson(t, PROXIES.blocksUpgrade);
    const { page: teacher } = await enter("#/teacher/7b");
    await shows(teacher, "live, over HTTP");
    await teacher.getByRole("button", { name: "Next question", exact: true }).click();
    await alice.locator("#question").getByText("Which planet").waitFor();
    await alice.keyboard.press("2");
    await alice.locator(".receipt .tick").waitFor();
    await teacher.locator(".answered").getByText("1 answer").waitFor();
    await teacher.getByRole("button", { name: "Close the question", exact: true }).click();
    await alice.getByText("Waiting for the next question").waitFor();
  });
});
