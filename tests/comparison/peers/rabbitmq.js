// RabbitMQ, Debian's package with its Web STOMP plugin, as a node of its own: no service, nothing in /var.

import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { connect } from "../stomp.js";
import { descendant, freePort, ready, startProcess } from "./server.js";

// Debian's wrapper in /usr/sbin changes the user; this is the program itself.
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const GUEST = { login: "guest", passcode: "guest", host: "/" };

export const rabbitmq = {
  name: "rabbitmq",
  title: "RabbitMQ",
  version: () => execFileSync("dpkg-query", ["-W", "-f", "${Version}", "rabbitmq-server"], { encoding: "utf8" }),
  async start({ directory }) {
    const [amqp, distribution, stomp, webStomp, mapper] = await ports(5);
    const data = path.join(directory, "data");
    await mkdir(data);
    const config = path.join(directory, "rabbitmq.conf");
    const plugins = path.join(directory, "enabled_plugins");
    await writeFile(config, settings({ amqp, stomp, webStomp }));
    await writeFile(plugins, "[rabbitmq_web_stomp].\n");

    // A port mapper of its own too: the usual one would stay behind when all is over.
    const epmd = await startProcess({
      command: "epmd",
      flags: ["-address", "127.0.0.1", "-port", `${mapper}`],
      directory,
    });
    const environment = {
      HOME: directory,
      ERL_EPMD_PORT: `${mapper}`,
      ERL_EPMD_ADDRESS: "127.0.0.1",
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      RABBITMQ_CONFIG_FILE: config,
      RABBITMQ_DIST_PORT: `${distribution}`,
      RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
      RABBITMQ_LOG_BASE: path.join(directory, "log"),
      RABBITMQ_MNESIA_BASE: data,
      RABBITMQ_NODENAME: "comparison@localhost",
      RABBITMQ_PID_FILE: path.join(directory, "pid"),
    };
    const server = await startProcess({ command: SERVER, flags: [], directory, environment });
    const process_ = {
      ...server,
      stop: async () => {
        await server.stop();
        await epmd.stop();
      },
    };
    const url = `ws://127.0.0.1:${webStomp}/ws`;
    await ready(process_, "rabbitmq-server", () => connect(url, GUEST).then((client) => client.drop()), 120);
    return {
      process: process_,
      pid: await descendant(server.pid, "beam.smp"),
      url,
      data,
      connect: GUEST,
      flags: ["--login", "guest", "--passcode", "guest", "--host", "/", "--unique-ids"],
    };
  },
};

/** The defaults, on ports of its own; idle connections stay, and not every connection is a line in the log. */
function settings({ amqp, stomp, webStomp }) {
  return `\
listeners.tcp.1 = 127.0.0.1:${amqp}
stomp.listeners.tcp.1 = 127.0.0.1:${stomp}
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = ${webStomp}
web_stomp.ws_opts.idle_timeout = 3600000
log.file.level = warning
`;
}

async function ports(count) {
  const found = new Set();
  while (found.size < count) found.add(await freePort());
  return [...found];
}
