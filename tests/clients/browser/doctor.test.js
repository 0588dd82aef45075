// The network doctor, from the command line and as a page, straight at a broker and behind proxies that misbehave: it
// finds what is wrong, and nothing that is not.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";

import { ASKS, startBroker } from "./broker.js";
import { openChromium } from "./browsers.js";
import { PROXIES, startProxy } from "./proxies.js";

const TIMEOUT = { timeout: 90_000 };
const IDLE = 3;
const NOTHING_WORKS = ["renames", "signsIn"];

/** What `homeroom doctor` says, and its exit code. A proxy that this machine names would not be used, and be told. */
function command(url, ...flags) {
  const env = { ...process.env, http_proxy: "", HTTP_PROXY: "", all_proxy: "", ALL_PROXY: "" };
  return new Promise((resolve) => {
    execFile(process.env.HOMEROOM_BIN, ["doctor", url, "--idle", `${IDLE}s`, ...flags], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });
}

async function examined(url) {
  const { code, stdout } = await command(url, "--json");
  const { measurements, findings } = JSON.parse(stdout);
  return { code, measurements, found: findings.map(({ id }) => id) };
}

/** The page, when it is done. */
async function openPage(test, url, options = {}) {
  const context = await (await openChromium(test)).newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.text().includes("Content Security Policy") && faults.push(message.text()));
  await page.goto(`${url}/doctor?idle=${IDLE}`);
  await page.locator("main[data-step=done] .findings").waitFor({ timeout: 80_000 });
  assert.deepEqual(faults, []);
  return page;
}

const findings = (page) => page.locator("[data-finding]").evaluateAll((all) => all.map(({ dataset }) => dataset.finding));
const outcomes = (page) =>
  page.locator("[data-door]").evaluateAll((all) => Object.fromEntries(all.map(({ dataset }) => [dataset.door, dataset.is])));
const reportOf = (page) => page.locator("#report").inputValue();
const adviceIn = (report) => report.slice(report.indexOf("\nFindings\n")).trim();

// Most of their time they wait.
describe("the network doctor", { concurrency: 3 }, () => {
  for (const [name, wanted] of [
    ["blocksUpgrade", ["websocket-refused"]],
    ["stripsUpgrade", ["websocket-refused"]],
    ["closesWebSockets", ["websocket-closed"]],
    ["silencesWebSockets", ["websocket-silent"]],
    ["buffers", ["websocket-refused", "events-buffered"]],
    ["cutsIdle", ["websocket-quiet-cut", "http-quiet-cut"]],
    ["caches", ["answers-cached"]],
    ["readsOnly", ["post-blocked"]],
    ["renames", ["origin-refused"]],
    ["signsIn", ["not-homeroom"]],
  ]) {
    test(`behind a proxy that ${name}: ${wanted.join(", ")}`, TIMEOUT, async (t) => {
      const broker = await startBroker(t);
      const { url } = await startProxy(t, broker.address, PROXIES[name]);
      const { code, found, measurements } = await examined(url);
      assert.deepEqual(found, wanted, JSON.stringify(measurements));
      assert.equal(code, NOTHING_WORKS.includes(name) ? 1 : 0, JSON.stringify(measurements));
      const page = await openPage(t, url);
      assert.deepEqual(await findings(page), wanted, await reportOf(page));
      if (name === "cutsIdle") {
        for (const { is, seconds } of Object.values(measurements.quiet)) {
          assert.ok(is === "cut" && seconds > 1.9 && seconds < 2.9, JSON.stringify(measurements.quiet));
        }
      }
    });
  }

  for (const [name, wanted] of [
    // A browser asks several things on one connection, and finds all of them lost behind the first silence.
    ["forgetsIdle", ["websocket-quiet-lost", "http-quiet-lost"]],
    // The page may not be led away: its policy forbids it.
    ["leadsAway", ["not-homeroom"]],
  ]) {
    test(`from the command line, behind a proxy that ${name}: ${wanted.join(", ")}`, TIMEOUT, async (t) => {
      const broker = await startBroker(t);
      const { url } = await startProxy(t, broker.address, PROXIES[name]);
      const { found, measurements } = await examined(url);
      assert.deepEqual(found, wanted, JSON.stringify(measurements));
    });
  }

  test("straight at the broker nothing is in the way, and the report can be copied", TIMEOUT, async (t) => {
    const broker = await startBroker(t);
    const { code, found, measurements } = await examined(broker.url);
    assert.deepEqual([code, found], [0, ["all-well"]], JSON.stringify(measurements));
    assert.equal(measurements.heartbeat_seconds, 10);
    const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" };
    const page = await openPage(t, broker.url, { ...phone, permissions: ["clipboard-read", "clipboard-write"] });
    assert.deepEqual(await findings(page), ["all-well"]);
    assert.deepEqual(new Set(Object.values(await outcomes(page))), new Set(["works"]));
    assert.equal(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true, "nothing is cut off");
    await page.getByRole("button", { name: "Copy the report for IT" }).click();
    await page.getByText("Copied.", { exact: true }).waitFor();
    const report = await reportOf(page);
    assert.equal(await page.evaluate("navigator.clipboard.readText()"), report);
    assert.match(report, /^Homeroom network doctor: http:.*\n\nDoors.*\n  WebSocket       works, /);
  });

  test("the command and the page say the same", TIMEOUT, async (t) => {
    const broker = await startBroker(t);
    const { url } = await startProxy(t, broker.address, PROXIES.buffers);
    const { stdout } = await command(url);
    const page = await openPage(t, url);
    assert.equal(adviceIn(await reportOf(page)), adviceIn(stdout));
    assert.match(stdout, /Ask the school's IT: Allow "Upgrade: websocket" to 127\.0\.0\.1, port \d+/);
  });

  test("a broker that asks who somebody is lets a doctor through who does not say", TIMEOUT, async (t) => {
    const broker = await startBroker(t, ASKS);
    const { code, found, measurements } = await examined(broker.url);
    assert.deepEqual([code, found], [0, ["all-well"]], JSON.stringify(measurements));
    const page = await openPage(t, broker.url);
    assert.deepEqual([await findings(page), (await outcomes(page)).websocket], [["all-well"], "works"]);
  });

  test("a broker that lets nobody measure says so", TIMEOUT, async (t) => {
    const broker = await startBroker(t, { HOMEROOM__LIMITS__DOCTOR_PROBES: "0" });
    const { found } = await examined(broker.url);
    assert.deepEqual(found, ["busy"]);
  });
});
