// A broker of its own for each test: port 0, a directory that is gone afterwards.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { Client } from "@stomp/stompjs";
import WebSocket from "ws";

import { canary, leaks } from "./canaries.js";

const ANY = "127.0.0.1:0";
/** Everything that the broker says: it may hold nothing that was sent or shown. */
const LOUD = { HOMEROOM__LOG__FILTER: "trace", RUST_LOG: "" };
const SECRET = "HOMEROOM__ACCESS__JWT__SECRET";
/** Settings of a broker where everybody shows who they are. */
export const ASKS = { [SECRET]: "only-for-tests-0123456789-abcdefghijklmnop", HOMEROOM__ACCESS__JWT__LEEWAY: "0s" };

/** Starts the binary that HOMEROOM_BIN names, with settings from the environment; stopped when the test is over. */
export async function startBroker(test, settings = {}) {
  const directory = await mkdtemp(path.join(tmpdir(), "homeroom-"));
  let broker = await spawnBroker(directory, ANY, settings);
  test.after(async () => {
    await broker.kill();
    await rm(directory, { recursive: true, force: true });
  });
  const { address } = broker;
  const secure = "HOMEROOM__TLS__KEY" in settings ? "s" : "";
  const headers = SECRET in settings ? { passcode: await makeToken("service", "admin", []) } : { login: "service" };
  return {
    address,
    url: `http${secure}://${address}`,
    publisher: await publisher(test, `ws${secure}://${address}/ws`, headers),
    kill: () => broker.kill(),
    /** On the same address and the same directory. */
    restart: async () => (broker = await spawnBroker(directory, address, settings)),
  };
}

/** For a broker that `ASKS`. */
export async function makeToken(user, role, classrooms, expires = "8h") {
  const flags = ["token", "--user", user, "--role", role, "--expires", expires, ...classrooms.flatMap((name) => ["--classroom", name])];
  const { stdout } = await promisify(execFile)(process.env.HOMEROOM_BIN, flags, { cwd: tmpdir(), env: { ...process.env, ...ASKS } });
  canary(stdout.trim());
  return stdout.trim();
}

async function spawnBroker(directory, address, settings) {
  const flags = ["serve", "--listen", address, "--stomp", ANY, "--management", ANY, "--data", path.join(directory, "data")];
  canary(settings[SECRET]);
  const env = { ...process.env, ...LOUD, ...settings };
  const child = spawn(process.env.HOMEROOM_BIN, flags, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  // With all that it said.
  const ended = new Promise((resolve) => child.once("close", resolve));
  const first = await Promise.race([firstLine(child.stdout), ended.then(() => undefined)]);
  if (first === undefined) throw new Error(`the broker did not start:\n${said}`);
  return {
    address: JSON.parse(first).http,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      assert.deepEqual(leaks(said), []);
    },
  };
}

function firstLine(stream) {
  return new Promise((resolve) => createInterface({ input: stream }).once("line", resolve));
}

/** A service that publishes; resolves when the broker has confirmed all. */
async function publisher(test, url, connectHeaders) {
  const client = new Client({
    // The certificate, if there is one, is the test's own.
    webSocketFactory: () => new WebSocket(url, ["v12.stomp"], { rejectUnauthorized: false }),
    connectHeaders,
    reconnectDelay: 0,
  });
  await new Promise((resolve, reject) => {
    client.onConnect = resolve;
    client.onStompError = (frame) => reject(new Error(`${frame.headers.message}: ${frame.body}`));
    client.onWebSocketError = reject;
    client.activate();
  });
  test.after(() => client.deactivate({ force: true }));
  let receipts = 0;
  const publish = (destination, body) =>
    new Promise((resolve) => {
      const receipt = `publish-${receipts++}`;
      client.watchForReceipt(receipt, resolve);
      canary(body);
      client.publish({ destination, body, headers: { receipt } });
    });
  return (destination, bodies) => Promise.all(bodies.map((body) => publish(destination, body)));
}
