// The bare server: sockets and shared bytes. Every figure is told as a multiple of its.

import path from "node:path";

import { startProcess } from "./server.js";

export const raw = {
  name: "raw",
  title: "raw sockets",
  /** `options.join` messages may be put into one write; with `options.store` a confirmed message is on the disk. */
  async start({ binary, directory, options = {} }) {
    const flags = ["bench", "raw", "--listen", "127.0.0.1:0"];
    if (options.join) flags.push("--join", `${options.join}`);
    if (options.store) flags.push("--store", path.join(directory, "store"));
    const process_ = await startProcess({ command: binary, flags, directory, announces: true });
    const { http } = JSON.parse(process_.announcement);
    return { process: process_, pid: process_.pid, url: `ws://${http}/`, connect: {}, flags: [] };
  },
};
