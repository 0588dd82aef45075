// Homeroom as it comes, but for limits that a load of one classroom would meet.

import { writeFile } from "node:fs/promises";
import path from "node:path";

import { startProcess } from "./server.js";

export const homeroom = {
  name: "homeroom",
  title: "Homeroom",
  /** `options.settings` is more of `homeroom.toml`. */
  async start({ binary, directory, options = {} }) {
    const config = path.join(directory, "homeroom.toml");
    await writeFile(config, `[limits]\nconnections = 200000\n${options.settings ?? ""}`);
    const flags = ["serve", "--config", config, "--data", path.join(directory, "data"), "--listen", "127.0.0.1:0"];
    flags.push("--stomp", "off", "--management", "off");
    const process_ = await startProcess({ command: binary, flags, directory, announces: true });
    const { http } = JSON.parse(process_.announcement);
    return {
      process: process_,
      pid: process_.pid,
      url: `ws://${http}/ws`,
      data: path.join(directory, "data"),
      connect: {},
      flags: [],
    };
  },
};
