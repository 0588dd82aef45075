// stomp-broker-js: a broker in Node that keeps nothing.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { startProcess } from "./server.js";

const PROGRAM = fileURLToPath(new URL("stomp-broker-js-server.js", import.meta.url));
const PACKAGE = new URL("../node_modules/stomp-broker-js/package.json", import.meta.url);

export const stompBrokerJs = {
  name: "stomp-broker-js",
  title: "stomp-broker-js",
  version: () => JSON.parse(readFileSync(PACKAGE)).version,
  async start({ directory }) {
    const process_ = await startProcess({ command: process.execPath, flags: [PROGRAM], directory, announces: true });
    const { http } = JSON.parse(process_.announcement);
    return { process: process_, pid: process_.pid, url: `ws://${http}/stomp`, connect: {}, flags: [] };
  },
};
