// NATS, Debian's nats-server, over its own WebSocket. No JetStream: nothing is stored.

import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";

import { open } from "../websocket.js";
import { freePort, ready, startProcess } from "./server.js";

export const nats = {
  name: "nats",
  title: "NATS",
  version: () => execFileSync("nats-server", ["--version"], { encoding: "utf8" }).match(/[\d.]+/)[0],
  async start({ directory }) {
    const [clients, websocket] = [await freePort(), await freePort()];
    const config = path.join(directory, "nats.conf");
    await writeFile(
      config,
      `listen: "127.0.0.1:${clients}"\nwebsocket { listen: "127.0.0.1:${websocket}", no_tls: true }\n`,
    );
    const process_ = await startProcess({ command: "nats-server", flags: ["--config", config], directory });
    await ready(process_, "nats-server", () => greeting(`ws://127.0.0.1:${websocket}/`));
    return { process: process_, pid: process_.pid, url: `nats+ws://127.0.0.1:${websocket}`, connect: {}, flags: [] };
  },
};

/** NATS speaks first. */
async function greeting(url) {
  let told;
  const info = new Promise((resolve) => (told = resolve));
  const line = await open(url, told);
  const text = (await Promise.race([info, line.brokenLine])).toString();
  line.socket.destroy();
  if (!text.startsWith("INFO ")) throw new Error(`it says ${text.slice(0, 40)}`);
}
