// How long a store with many messages takes to open: from the start of the process until it listens.

import { connect, said } from "../stomp.js";

const BODY = "x".repeat(200);
const EACH = 500;

const opening = ({ name, messages, title, seconds, big = false }) => ({
  name,
  big,
  peers: ["homeroom"],
  rounds: 3,
  sizes: { full: { messages, rooms: 100 }, quick: { messages: 2000, rooms: 4 } },
  rows: [{ key: "opening_seconds", unit: "s", title, base: null, goal: { value: seconds } }],
  async measure({ peer, size, binary, withServer }) {
    // Nothing is trimmed, and the disk is as full as it is.
    const options = { settings: '[retention]\nbytes = "64GB"\n' };
    return withServer(options, async (server, directory) => {
      await fill(server, size);
      await server.process.stop("SIGTERM");
      const began = performance.now();
      const again = await peer.start({ binary, directory, options });
      const opening_seconds = (performance.now() - began) / 1000;
      await again.process.stop();
      return { figures: { opening_seconds }, results: { stored: size.messages } };
    });
  },
});

export const OPENING = [
  opening({
    name: "opening",
    messages: 1_000_000,
    title: "Opening a store of 1 million messages (closed in good order, in the kernel's cache)",
    seconds: 1,
  }),
  opening({
    name: "opening-big",
    big: true,
    messages: 10_000_000,
    title: "Opening a store of 10 million messages",
    seconds: 15,
  }),
];

/** Stores messages in several classrooms, a few hundred under way at a time, and waits until all are confirmed. */
async function fill(server, { messages, rooms }) {
  const client = await connect(server.url, server.connect);
  let waiting = [];
  for (let sent = 0, turn = 0; sent < messages; sent += EACH, turn += 1) {
    const destination = `/topic/opening-${turn % rooms}`;
    const letter = said("SEND", { destination, persistent: "true" }, BODY);
    await client.write(Buffer.concat(Array(EACH - 1).fill(letter)));
    waiting.push(client.confirmed("SEND", { destination, persistent: "true" }, BODY));
    if (waiting.length > 3) await waiting.shift();
  }
  await Promise.all(waiting);
  client.drop();
}
