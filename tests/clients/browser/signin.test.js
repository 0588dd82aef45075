// The lesson page at a broker that asks who everybody is: a student and a teacher sign in over every line, and what
// shows who they are goes nowhere it should not.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";

import { ASKS, makeToken, startBroker } from "./broker.js";
import { openChromium, until } from "./browsers.js";
import { canary } from "./canaries.js";
import { PROXIES, startProxy } from "./proxies.js";

const TIMEOUT = { timeout: 90_000 };
const [QUIZ, ANSWERS] = ["/topic/7b/quiz", "/topic/7b/answers"];
const PASSWORD = "correct horse";
const COOKIE = "school";

const question = (id) => JSON.stringify({ type: "question", id, text: `Question ${id}?`, options: ["yes", "no"] });

/** A broker with alice's password, a proxy if one is named, and pages that keep what they said to the server. */
async function school(test, proxy, settings = {}) {
  const directory = await mkdtemp(path.join(tmpdir(), "homeroom-users-"));
  test.after(() => rm(directory, { recursive: true, force: true }));
  const users = path.join(directory, "users.toml");
  const add = ["user", "add", "alice", "--role", "student", "--classroom", "7b", "--password-stdin", "--file", users];
  execFileSync(process.env.HOMEROOM_BIN, add, { input: `${PASSWORD}\n`, stdio: ["pipe", "ignore", "inherit"] });
  const broker = await startBroker(test, { ...ASKS, HOMEROOM__ACCESS__USERS: users, ...settings });
  const { url } = proxy ? await startProxy(test, broker.address, proxy) : broker;
  const browser = await openChromium(test);
  const addresses = [];
  const sockets = [];
  const enter = async (hash, cookie) => {
    const context = await browser.newContext({ viewport: { width: 900, height: 760 } });
    if (cookie) await giveCookie(context, url, cookie);
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    // A fragment is no part of what is asked for.
    page.on("request", (request) => addresses.push(request.url().split("#")[0], request.headers()["referer"] ?? ""));
    page.on("websocket", (socket) => addresses.push(socket.url()) && sockets.push(socket));
    page.setDefaultTimeout(30_000);
    await page.goto(`${url}/${hash}`);
    return Object.assign(page, { faults });
  };
  return { broker, enter, addresses, sockets, url };
}

/** As the school's own server does: no page can read it. */
function giveCookie(context, url, value) {
  return context.addCookies([{ name: COOKIE, value, url, httpOnly: true, sameSite: "Strict" }]);
}

const button = (page, name) => page.getByRole("button", { name, exact: true });
const connected = (page) => page.locator(".status[data-is=connected]").waitFor();
const says = (page, title) => page.locator(".sign-in h2").getByText(title).waitFor();
const isSignedIn = (page, user) => page.locator(".who").getByText(user, { exact: true }).waitFor();
const kept = (page, where) => page.evaluate((where) => JSON.stringify({ ...window[where] }), where);

async function byPassword(page, user, password) {
  await page.getByLabel("Name").fill(user);
  canary(password);
  await page.getByLabel("Password").fill(password);
  await button(page, "Sign in").click();
}

async function byToken(page, token) {
  await page.getByText("I have a token").click();
  canary(token);
  await page.getByLabel("Paste the token").fill(token);
  await button(page, "Sign in with the token").click();
}

/** What the log has of the students' answers. */
async function answers({ url }) {
  const authorization = `Bearer ${await makeToken("smith", "teacher", ["7b"])}`;
  const page = await fetch(`${url}/v1/messages?destination=${ANSWERS}`, { headers: { authorization } });
  return (await page.json()).messages.map(({ user, body }) => ({ user, ...JSON.parse(body) }));
}

describe("signing in", { concurrency: 3 }, () => {
  for (const [line, proxy] of [
    ["live", undefined],
    ["live, over HTTP", PROXIES.blocksUpgrade],
    ["asking every few seconds", PROXIES.buffers],
  ]) {
    test(`a lesson of a teacher with a token and a student with a password, ${line}`, TIMEOUT, async (t) => {
      const { broker, enter, addresses } = await school(t, proxy);
      const token = await makeToken("smith", "teacher", ["7b"]);
      const teacher = await enter(`#/teacher/7b&token=${token}`);
      assert.equal(new URL(teacher.url()).hash, "#/teacher/7b", "the address shows it no more");
      const alice = await enter("#/student/7b/alice");
      await says(alice, "Please sign in");
      assert.equal(await alice.getByLabel("Name").inputValue(), "alice");
      await byPassword(alice, "alice", PASSWORD);
      for (const [page, user] of [[teacher, "smith"], [alice, "alice"]]) {
        await isSignedIn(page, user);
        await page.locator(".line").getByText(line, { exact: true }).waitFor();
      }
      await button(teacher, "Start the sample quiz").click();
      await alice.locator("#question").getByText("Which planet").waitFor();
      await alice.keyboard.press("2");
      await alice.locator(".receipt .tick").waitFor();
      await teacher.locator(".answered").getByText(/^1 answer$|^1 of 1/).waitFor();
      assert.deepEqual((await answers(broker)).map(({ user, option }) => ({ user, option })), [{ user: "alice", option: 1 }]);
      assert.ok(addresses.some((address) => address.includes("/v1/messages")) === (line !== "live"));
      assert.equal(addresses.some((address) => address.includes("ticket=")), line !== "live");
      for (const page of [teacher, alice]) {
        const local = await kept(page, "localStorage");
        assert.ok(!local.includes(token) && !local.includes(PASSWORD), local);
        assert.deepEqual(page.faults, []);
      }
      assert.deepEqual(addresses.filter((address) => address.includes(token) || address.includes("eyJ") || address.includes("horse")), []);
      assert.deepEqual(JSON.parse(await kept(teacher, "sessionStorage")), { "homeroom/token": token });
      assert.equal(await kept(alice, "sessionStorage"), "{}", "a password is kept nowhere");

      // A page that is loaded again still has its token.
      await teacher.reload();
      await isSignedIn(teacher, "smith");
    });

    test(`a token that expires in the middle of a lesson, ${line}`, TIMEOUT, async (t) => {
      const { broker, enter, addresses } = await school(t, proxy);
      await broker.publisher(QUIZ, [question("q1")]);
      const alice = await enter(`#/student/7b&token=${await makeToken("alice", "student", ["7b"], "6s")}`);
      if (!proxy) {
        await alice.getByText("Your time here is over in less than a minute").waitFor();
        await alice.locator("#question").getByText("Question q1?").waitFor();
      }
      await says(alice, "Your time here is over");
      await broker.publisher(QUIZ, [question("q2")]);
      const token = await makeToken("alice", "student", ["7b"]);
      await byToken(alice, token);
      await isSignedIn(alice, "alice");
      await alice.locator("#question").getByText("Question q2?").waitFor();
      const asked = alice.locator(".entry[data-what=asked]");
      await until("both questions, once", async () => (await asked.count()) === 2 || asked.count());
      await alice.keyboard.press("1");
      await alice.locator(".receipt .tick").waitFor();
      assert.deepEqual(await answers(broker), [{ user: "alice", question: "q2", option: 0 }]);
      assert.deepEqual(addresses.filter((address) => address.includes("eyJ")), []);
      assert.deepEqual(alice.faults, []);
    });
  }

  for (const [line, proxy] of [["live", undefined], ["live, over HTTP", PROXIES.blocksUpgrade]]) {
    test(`the cookie of the school's own server lets in, and a newer one goes on, ${line}`, TIMEOUT, async (t) => {
      const { broker, enter, addresses, url } = await school(t, proxy, { HOMEROOM__ACCESS__JWT__COOKIE: COOKIE });
      await broker.publisher(QUIZ, [question("q1")]);
      const page = await enter("#/student/7b/mallory", await makeToken("alice", "student", ["7b"], "10s"));
      await isSignedIn(page, "alice");
      await page.locator(".line").getByText(line, { exact: true }).waitFor();
      await until("the address", () => new URL(page.url()).hash === "#/student/7b/alice" || page.url());
      assert.equal(await button(page, "Sign out").count(), 0, "no page can take the cookie away");
      await page.locator(".options button").first().click();
      await page.locator(".receipt .tick").waitFor();
      assert.deepEqual(await answers(broker), [{ user: "alice", question: "q1", option: 0 }]);
      await giveCookie(page.context(), url, await makeToken("alice", "student", ["7b"]));
      // Past the end of the first one.
      await page.waitForTimeout(11_000);
      await broker.publisher(QUIZ, [question("q2")]);
      await page.locator("#question").getByText("Question q2?").waitFor();
      assert.equal(await page.locator(".sign-in").count(), 0);
      assert.equal(await kept(page, "sessionStorage"), "{}");
      assert.deepEqual(addresses.filter((address) => address.includes("eyJ")), []);
      assert.deepEqual(page.faults, []);
    });
  }

  test("a cookie that does not do is asked about as if there were none", TIMEOUT, async (t) => {
    const { enter } = await school(t, undefined, { HOMEROOM__ACCESS__JWT__COOKIE: COOKIE });
    const page = await enter("#/student/7b/alice", "a.b.c");
    await says(page, "Please sign in");
    await byPassword(page, "alice", PASSWORD);
    await isSignedIn(page, "alice");
    assert.equal(await button(page, "Sign out").count(), 1);
  });

  test("a newer token goes on over the line that is there, pasted or brought by the address", TIMEOUT, async (t) => {
    const { broker, enter, sockets } = await school(t);
    const page = await enter(`#/student/7b/alice&token=${await makeToken("alice", "student", ["7b"], "20s")}`);
    await page.getByText("Your time here is over in less than a minute").waitFor();
    const before = sockets.length;
    await button(page, "Sign in again").click();
    const newer = await makeToken("alice", "student", ["7b"], "40s");
    await byToken(page, newer);
    await until("the newer one in the tab", async () => (await kept(page, "sessionStorage")).includes(newer) || "not yet");
    const newest = await makeToken("alice", "student", ["7b"]);
    await page.evaluate((hash) => (location.hash = hash), `#/student/7b/alice&token=${newest}`);
    await until("the address", () => new URL(page.url()).hash === "#/student/7b/alice" || page.url());
    await page.locator(".running-out").waitFor({ state: "detached" });
    await page.waitForTimeout(21_000);
    await broker.publisher(QUIZ, [question("q1")]);
    await page.locator("#question").getByText("Question q1?").waitFor();
    assert.deepEqual([sockets.length, sockets.at(-1).isClosed()], [before, false], "it is the same line");
    assert.equal((await kept(page, "sessionStorage")).includes(newest), true);
    // A token of somebody else's begins anew, as that one.
    await page.evaluate((hash) => (location.hash = hash), `#/student/7b/alice&token=${await makeToken("bob", "student", ["7b"])}`);
    await isSignedIn(page, "bob");
    await until("the address", () => new URL(page.url()).hash === "#/student/7b/bob" || page.url());
    assert.deepEqual(page.faults, []);
  });

  test("a wrong password is told, and the right one lets in", TIMEOUT, async (t) => {
    const { enter } = await school(t);
    const alice = await enter("#/student/7b/alice");
    await says(alice, "Please sign in");
    assert.equal(await alice.getByText("Waiting for the next question").count(), 0);
    await byPassword(alice, "alice", "battery staple");
    await says(alice, "That did not let you in");
    await alice.locator(".sign-in [role=alert]").getByText("The user or the password is wrong.").waitFor();
    await byPassword(alice, "alice", PASSWORD);
    await connected(alice);
    await isSignedIn(alice, "alice");
    await alice.getByText("Waiting for the next question").waitFor();
  });

  test("a token that is none is told before it goes anywhere, and a wrong one by the broker", TIMEOUT, async (t) => {
    const { enter } = await school(t);
    const page = await enter("#/teacher/7b");
    await says(page, "Please sign in");
    await byToken(page, "pässword");
    assert.match(await page.getByLabel("Paste the token").evaluate((field) => field.validationMessage), /no token/);
    await page.getByLabel("Paste the token").fill("eyJhbGciOiJub25lIn0.eyJzdWIiOiJzbWl0aCJ9.");
    await button(page, "Sign in with the token").click();
    await says(page, "That did not let you in");
    await page.locator(".sign-in [role=alert]").getByText("The token is not valid").waitFor();
  });

  test("nobody is another than who is signed in, whatever the address says", TIMEOUT, async (t) => {
    const { broker, enter } = await school(t);
    await broker.publisher(QUIZ, [question("q1")]);
    const page = await enter(`#/student/7b/mallory&token=${await makeToken("alice", "student", ["7b"])}`);
    await isSignedIn(page, "alice");
    await until("the address", () => new URL(page.url()).hash === "#/student/7b/alice" || page.url());
    await page.locator(".options button").first().click();
    await page.locator(".receipt .tick").waitFor();
    assert.deepEqual(await answers(broker), [{ user: "alice", question: "q1", option: 0 }]);
    assert.ok(!(await kept(page, "localStorage")).includes("mallory"));
  });

  test("a student may look on in the teacher's view, and is told why no question can be put on", TIMEOUT, async (t) => {
    const { enter } = await school(t);
    const page = await enter(`#/teacher/7b&token=${await makeToken("alice", "student", ["7b"])}`);
    await connected(page);
    await button(page, "Start the sample quiz").click();
    await page.locator(".onlooker").getByText("You are signed in as alice").waitFor();
    for (const gone of [button(page, "Start the sample quiz"), page.getByText("A question of your own")]) {
      assert.equal(await gone.filter({ visible: true }).count(), 0);
    }
    await connected(page);
    assert.equal(await page.locator(".trouble").count(), 0);
  });

  test("a class of others is closed, and who is removed from a class is told within a second", TIMEOUT, async (t) => {
    const { broker, enter } = await school(t);
    const token = await makeToken("alice", "student", ["7b"]);
    const elsewhere = await enter(`#/student/8a&token=${token}`);
    await says(elsewhere, "You may not be here");
    const alice = await enter(`#/student/7b&token=${token}`);
    await connected(alice);
    await alice.getByText("Waiting for the next question").waitFor();
    const headers = { authorization: `Bearer ${await makeToken("smith", "teacher", ["7b"])}` };
    const removed = await fetch(`${broker.url}/v1/revocations?user=alice&classroom=7b`, { method: "POST", headers });
    assert.equal(removed.status, 200);
    await alice.locator(".sign-in h2").getByText("You may not be here").waitFor({ timeout: 2_000 });
    assert.equal((await fetch(`${broker.url}/v1/revocations?user=alice&classroom=7b`, { method: "DELETE", headers })).status, 204);
    await button(alice, "Try again").click();
    await connected(alice);
  });

  test("who signs out leaves nothing behind that lets in", TIMEOUT, async (t) => {
    const { enter } = await school(t);
    const page = await enter(`#/student/7b&token=${await makeToken("alice", "student", ["7b"])}`);
    await isSignedIn(page, "alice");
    await button(page, "Sign out").click();
    await page.getByText("A lesson that waits for everyone").waitFor();
    assert.equal(await kept(page, "sessionStorage"), "{}");
    await page.evaluate(() => (location.hash = "#/student/7b/alice"));
    await says(page, "Please sign in");
    assert.equal(await page.locator(".who").count(), 0);
  });

  test("where nobody has to show who they are, a token in the address is dropped", TIMEOUT, async (t) => {
    const broker = await startBroker(t);
    const browser = await openChromium(t);
    const page = await browser.newPage();
    await page.goto(`${broker.url}/#/student/7b/alice&token=a.b.c`);
    await connected(page);
    await until("no token", async () => (await kept(page, "sessionStorage")) === "{}" || kept(page, "sessionStorage"));
    await connected(page);
    assert.equal(new URL(page.url()).hash, "#/student/7b/alice");
    assert.equal(await page.locator(".who").count(), 0);
  });
});
