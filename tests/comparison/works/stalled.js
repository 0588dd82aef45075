// What it costs that 100 MB wait for one student whose page hangs: its socket is open and nobody reads from it.

import { setTimeout as pause } from "node:timers/promises";

import { residentBytes, tcpMemoryBytes, waitingInKernel } from "../machine.js";
import { connect, said } from "../stomp.js";
import { median } from "../summary.js";

const BODY_BYTES = 4000;
const UNDER_WAY = 256;

export const STALLED = {
  name: "stalled",
  peers: ["stomp-broker-js", "rabbitmq", "homeroom"],
  rounds: 2,
  // Several where one costs less than the noise of the process; the figures are for one.
  sizes: {
    full: { bytes: 100e6, "stomp-broker-js": 1, rabbitmq: 1, homeroom: 128 },
    quick: { bytes: 2e6, "stomp-broker-js": 1, rabbitmq: 1, homeroom: 4 },
  },
  rows: [
    {
      key: "rss_bytes",
      unit: "MiB",
      scale: 1 / 1_048_576,
      title: "Resident memory for 100 MB that wait for one stalled reader",
      base: null,
      goal: { value: 64 / 1024 },
    },
    {
      key: "kernel_bytes",
      unit: "KiB",
      scale: 1 / 1024,
      title: "The same in the kernel: bytes in the server's socket",
      base: null,
      goal: { value: 256 },
    },
  ],
  async measure({ peer, size, withServer }) {
    // So much that none of it is trimmed while it is waited for; and the scrub, which fills the store's cache, not
    // between the measurements.
    const options = { settings: '[retention]\nbytes = "2GB"\n[storage]\nscrub_after = "1d"\n' };
    return withServer(options, async (server) => {
      const destination = "/topic/stalled";
      const publisher = await connect(server.url, server.connect);
      const reader = await subscriber(server, publisher, destination);
      const letter = said("SEND", { destination, persistent: "true" }, "x".repeat(BODY_BYTES));
      const publish = async () => {
        const before = reader.messages;
        const messages = Math.ceil(size.bytes / BODY_BYTES);
        for (let sent = 0; sent < messages; sent += 1) {
          await publisher.write(letter);
          await reader.heard(before + sent + 1 - UNDER_WAY);
        }
        await reader.heard(before + messages);
        // What was for the moment only is given back.
        await pause(2000);
        return { rss: await residentBytes(server.pid), tcp: await tcpMemoryBytes() };
      };

      // Twice with nobody stalled: caches and heaps fill, and what then still grows is not the stalled reader's.
      const first = await publish();
      const second = await publish();
      const stalled = [];
      while (stalled.length < size[peer.name]) stalled.push(await subscriber(server, publisher, destination));
      stalled.forEach(({ socket }) => socket.pause());
      const third = await publish();

      const serverPort = Number(new URL(server.url).port);
      const waiting = await Promise.all(stalled.map(({ socket }) => waitingInKernel(serverPort, socket.localPort)));
      if (waiting.includes(undefined)) throw new Error("it has cut the stalled reader off");
      const received = stalled.map(({ socket }) => socket.bytesRead);
      return {
        figures: {
          rss_bytes: growth({ first, second, third }) / stalled.length,
          kernel_bytes: median(waiting),
        },
        results: { readers: stalled.length, first, second, third, received_bytes: Math.max(...received) },
      };
    });
  },
};

/** Growth of the process with a stalled reader, less its growth before without one. */
export const growth = ({ first, second, third }) => third.rss - second.rss - Math.max(0, second.rss - first.rss);

/** Somebody who hears what is published from now on. Not every broker confirms a SUBSCRIBE, so it is tried out. */
async function subscriber(server, publisher, destination) {
  const client = await connect(server.url, server.connect);
  await client.write(said("SUBSCRIBE", { id: "sub-0", destination, ack: "auto" }));
  while (client.messages === 0) {
    await publisher.write(said("SEND", { destination, persistent: "true" }, "Can you hear me?"));
    await Promise.race([client.heard(1), pause(200)]);
  }
  // The last of these questions are still on their way to the others.
  await pause(500);
  return client;
}
