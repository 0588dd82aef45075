// A broker of its own for each test: port 0, a directory that is gone afterwards.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { Client } from "@stomp/stompjs";
import WebSocket from "ws";

const ANY = "127.0.0.1:0";

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
  return {
    address,
    url: `http${secure}://${address}`,
    publisher: await publisher(test, `ws${secure}://${address}/ws`),
    kill: () => broker.kill(),
    /** On the same address and the same directory. */
    restart: async () => (broker = await spawnBroker(directory, address, settings)),
  };
}

async function spawnBroker(directory, address, settings) {
  const flags = ["serve", "--listen", address, "--stomp", ANY, "--management", ANY, "--data", path.join(directory, "data")];
  const env = { ...process.env, ...settings };
  const child = spawn(process.env.HOMEROOM_BIN, flags, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const first = await Promise.race([firstLine(child.stdout), ended.then(() => undefined)]);
  if (first === undefined) throw new Error(`the broker did not start:\n${said}`);
  return {
    address: JSON.parse(first).http,
    kill: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

function firstLine(stream) {
  return new Promise((resolve) => createInterface({ input: stream }).once("line", resolve));
}

/** A service that publishes; resolves when the broker has confirmed all. */
async function publisher(test, url) {
  const client = new Client({
    // The certificate, if there is one, is the test's own.
    webSocketFactory: () => new WebSocket(url, ["v12.stomp"], { rejectUnauthorized: false }),
    connectHeaders: { login: "service" },
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
      client.publish({ destination, body, headers: { receipt } });
    });
  return (destination, bodies) => Promise.all(bodies.map((body) => publish(destination, body)));
}
