// The lesson page as the broker serves it: a teacher and students in one classroom.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startBroker } from "./broker.js";
import { openChromium, openFirefox, until } from "./browsers.js";

const TIMEOUT = { timeout: 120_000 };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** Opens views of classroom 7b, each with a browser context of its own. */
async function classroom(test) {
  const broker = await startBroker(test);
  const browser = await openChromium(test);
  const complaints = [];
  const enter = async (address, options = {}) => {
    const context = await browser.newContext({ viewport: { width: 900, height: 760 }, ...options });
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(`${address}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("WebSocket")) complaints.push(`${address}: ${message.text()}`);
    });
    page.setDefaultTimeout(20_000);
    await page.goto(`${broker.url}/${address}`);
    return page;
  };
  const join = async (address, options) => {
    const page = await enter(address, options);
    await page.getByText("Connected", { exact: true }).waitFor();
    return page;
  };
  return { enter, join, broker, complaints };
}

const button = (page, name) => page.getByRole("button", { name, exact: true });
const question = (page) => page.locator("#question");
const received = (page) => page.locator(".receipt").getByText("Received");
const bars = (page) => page.locator(".question [role=meter]").evaluateAll((all) => all.map((bar) => Number(bar.ariaValueNow)));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const barsAre = (page, wanted) => until(`bars ${wanted}`, async () => same(await bars(page), wanted) || bars(page));

/** What stands in the student's history: marks of return, and messages with how they came. */
const history = (page) =>
  page.locator(".history li").evaluateAll((lines) =>
    lines.map((line) => {
      if (line.matches(".marker")) return line.innerText.replace(/\s+/g, " ").trim();
      return `${line.dataset.what} ${/\d+/.exec(line.querySelector("div").innerText)[0]} ${line.dataset.arrived}`;
    }),
  );

test("a question is answered, and its bars grow", TIMEOUT, async (t) => {
  const { join, complaints } = await classroom(t);
  const teacher = await join("#/teacher/7b");
  const alice = await join("#/student/7b/alice");
  const bob = await join("#/student/7b/bob");

  await button(teacher, "Start the sample quiz").click();
  await question(alice).getByText("Which planet").waitFor();
  await barsAre(teacher, [0, 0, 0, 0]);
  await alice.locator(".options button").nth(1).click();
  await received(alice).waitFor();
  await barsAre(teacher, [0, 1, 0, 0]);
  await bob.locator(".options button").nth(2).click();
  await received(bob).waitFor();
  await barsAre(teacher, [0, 1, 1, 0]);

  // Who thinks again is counted once, with the last word.
  await bob.locator(".options button").nth(1).click();
  await barsAre(teacher, [0, 2, 0, 0]);

  await button(teacher, "Close the question").click();
  await alice.getByText("Waiting for the next question").waitFor();
  await button(teacher, "Next question").click();
  await question(alice).getByText("7 × 8").waitFor();
  await barsAre(teacher, [0, 0, 0, 0]);

  // A page that is loaded again shows the same lesson and the same answers.
  for (const page of [teacher, alice]) await page.reload();
  await barsAre(teacher, [0, 0, 0, 0]);
  await teacher.locator(".results summary").getByText("Which planet").click();
  assert.equal(await teacher.locator(".results .votes").nth(1).innerText(), "2");
  await alice.locator(".history").getByText("Your answer: Mercury").waitFor();
  assert.deepEqual(complaints, []);
});

test("who was offline sees what was missed, in order, marked and counted", TIMEOUT, async (t) => {
  const { join, complaints } = await classroom(t);
  const teacher = await join("#/teacher/7b");
  const alice = await join("#/student/7b/alice");
  const bob = await join("#/student/7b/bob");
  await button(teacher, "Start the sample quiz").click();
  await question(alice).getByText("Which planet").waitFor();
  await until("alice in the roster", async () => (await teacher.locator(".roster").innerText()).includes("alice"));

  await button(alice, "Go offline").click();
  await alice.getByText("You are offline.").waitFor();
  await button(teacher, "Close the question").click();
  await button(teacher, "Next question").click();
  await question(bob).getByText("7 × 8").waitFor();
  await button(teacher, "Next question").click();
  await question(bob).getByText("Who wrote").waitFor();
  assert.equal(await question(alice).innerText(), "Which planet has the shortest year?");

  // An answer given offline waits, and is told apart from one that arrived.
  await alice.locator(".options button").first().click();
  await alice.getByText("Your answer waits").waitFor();

  await button(alice, "Come back").click();
  await question(alice).getByText("Who wrote").waitFor();
  const lesson = ["asked 1 live", "While you were away 3 messages", "closed 1 away", "asked 2 away", "asked 3 away"];
  await until("the history", async () => same(await history(alice), lesson) || history(alice));

  await button(teacher, "Close the question").click();
  await alice.getByText("Live again").waitFor();
  assert.deepEqual(await history(alice), [...lesson, "Live again", "closed 3 live"]);

  // The late answer is behind the close: stored, but not counted.
  await teacher.locator(".results summary").getByText("Which planet").click();
  const votes = teacher.locator(".results details[open] .votes");
  assert.deepEqual(await votes.allInnerTexts(), ["0", "0", "0", "0"]);

  // Whoever comes late sees the lesson so far, and missed nothing.
  const carol = await join("#/student/7b/carol");
  const soFar = ["Before you came", "asked 1 earlier", "closed 1 earlier", "asked 2 earlier", "asked 3 earlier", "closed 3 earlier"];
  await until("the lesson so far", async () => same(await history(carol), soFar) || history(carol));
  assert.deepEqual(complaints, []);
});

test("the broker is killed and started again, and the lesson goes on", TIMEOUT, async (t) => {
  const { join, broker } = await classroom(t);
  const teacher = await join("#/teacher/7b");
  const alice = await join("#/student/7b/alice");
  await button(teacher, "Start the sample quiz").click();
  await question(alice).waitFor();
  await broker.kill();
  await alice.getByText("Connection lost").waitFor();
  await alice.keyboard.press("2");
  await alice.getByText("Your answer waits").waitFor();
  await broker.restart();
  await received(alice).waitFor();
  await barsAre(teacher, [0, 1, 0, 0]);
  await button(teacher, "Next question").click();
  await question(alice).getByText("7 × 8").waitFor();
  assert.deepEqual(await history(alice), ["asked 1 live", "asked 2 live"], "nothing was missed, nothing came twice");
});

test("the roster says who is here", TIMEOUT, async (t) => {
  const { join } = await classroom(t);
  const teacher = await join("#/teacher/7b");
  await teacher.getByText("Nobody yet.").waitFor();
  const alice = await join("#/student/7b/alice");
  await join("#/student/7b/bob");
  const roster = teacher.locator(".roster");
  await until("two students", async () => /2\s+A\s*alice\s+B\s*bob/.test(await roster.innerText()) || roster.innerText());
  await alice.locator(".roster").getByText("you").waitFor();
  await button(alice, "Go offline").click();
  await until("bob alone", async () => !(await roster.innerText()).includes("alice"), { within: 60_000 });
  await button(alice, "Come back").click();
  await roster.getByText("alice").waitFor();
});

test("a lesson without a mouse", TIMEOUT, async (t) => {
  const { enter, join } = await classroom(t);
  const door = await enter("");
  await door.locator("input[name=role]").first().focus();
  await door.keyboard.press("ArrowDown");
  await door.keyboard.press("Tab");
  await door.keyboard.type("7b");
  await door.keyboard.press("Enter");
  await door.getByText("Connected", { exact: true }).waitFor();
  assert.equal(new URL(door.url()).hash, "#/teacher/7b");

  const alice = await join("#/student/7b/alice");
  await tabTo(door, "Start the sample quiz");
  await door.keyboard.press("Enter");
  await question(alice).waitFor();
  await alice.keyboard.press("3");
  await received(alice).waitFor();
  await barsAre(door, [0, 0, 1, 0]);
  await tabTo(alice, "Mercury");
  assert.notEqual(await alice.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none", "the focus shows");
  await alice.keyboard.press("Space");
  await barsAre(door, [0, 1, 0, 0]);
  await tabTo(door, "Close the question");
  await door.keyboard.press("Enter");
  await alice.getByText("Waiting for the next question").waitFor();
  const said = await alice.locator(".unseen[role=status]").innerText();
  assert.equal(said.trim(), "", "nothing is announced while nothing is open");
});

async function tabTo(page, text) {
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press("Tab");
    if ((await focused()).includes(text)) return;
  }
  assert.fail(`"${text}" cannot be reached with Tab`);
}

test("readable on a phone of 360 pixels, light and dark", TIMEOUT, async (t) => {
  const { enter, join } = await classroom(t);
  const pages = [
    await enter("", PHONE),
    await join("#/teacher/7b", PHONE),
    await join("#/student/7b/Maximiliane-Aurelia-von-und-zu-Hohenstein", { ...PHONE, colorScheme: "dark" }),
  ];
  await button(pages[1], "Start the sample quiz").tap();
  await question(pages[2]).waitFor();
  await pages[2].locator(".options button").first().tap();
  await received(pages[2]).waitFor();
  for (const page of pages) {
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${page.url()} scrolls sideways`);
  }
  for (const option of await pages[2].locator(".options button").all()) {
    assert.ok((await option.boundingBox()).height >= 44, "large enough for a thumb");
  }
  const brightness = (page) => page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)[0]));
  assert.ok((await brightness(pages[1])) > 200 && (await brightness(pages[2])) < 60);
  await button(pages[2], "Light or dark").tap();
  assert.ok((await brightness(pages[2])) > 200);
});

test("a second tab takes the lesson over, and the first says so", TIMEOUT, async (t) => {
  const { join } = await classroom(t);
  const first = await join("#/student/7b/alice");
  const second = await join("#/student/7b/alice");
  await first.getByText("This lesson is open somewhere else").waitFor();
  await first.getByText("Not connected").waitFor();
  await button(first, "Use it here").click();
  await first.getByText("Connected", { exact: true }).waitFor();
  await second.getByText("This lesson is open somewhere else").waitFor();
});

test("the lesson in Firefox", TIMEOUT, async (t) => {
  const { url } = await startBroker(t);
  const browser = await openFirefox(t);
  const enter = async (address) => {
    const page = await browser.newPage();
    await page.goto(`${url}/${address}`);
    await until("a connection", () => page.evaluate(() => document.querySelector(".status")?.dataset.is === "connected"));
    return page;
  };
  const click = (page, text) =>
    page.evaluate((text) => [...document.querySelectorAll("button")].find((button) => button.textContent.includes(text)).click(), text);
  const shown = (page, text) => until(`"${text}"`, () => page.evaluate((text) => document.body.textContent.includes(text), text));
  const teacher = await enter("#/teacher/7b");
  const alice = await enter("#/student/7b/alice");
  await click(teacher, "Start the sample quiz");
  await alice.bringToFront();
  await shown(alice, "Which planet has the shortest year?");
  await click(alice, "Go offline");
  await shown(alice, "You are offline.");
  await teacher.bringToFront();
  await click(teacher, "Next question");
  await shown(teacher, "Question 2 is open");
  await alice.bringToFront();
  await click(alice, "Come back");
  await shown(alice, "While you were away");
  await click(alice, "56");
  await until("the receipt", () => alice.evaluate(() => document.querySelector(".receipt .tick") !== null));
  await teacher.bringToFront();
  await until("the bar", () => teacher.evaluate(() => document.querySelectorAll(".question [role=meter]")[1].getAttribute("aria-valuenow") === "1"));
});
