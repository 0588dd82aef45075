// What a confirmed message costs while durable subscribers are away, for few and for very many of them.

import { figure } from "../bench.js";
import { connect, said } from "../stomp.js";
import { confirmed } from "./loads.js";

const DESTINATION = "/topic/cursors";

// As many as one connection may have. Each of its subscriptions has a cursor of its own.
const EACH = 64;
const AT_A_TIME = 16;

// A microsecond each is a second for a million.
const KEY = "cpu_seconds_per_million_confirmed";

const cursors = (name, count, row) => ({
  name,
  peers: ["homeroom"],
  rounds: 3,
  sizes: { full: { cursors: count, seconds: 5 }, quick: { cursors: Math.min(count, 200), seconds: 0.3 } },
  rows: [{ key: KEY, unit: "CPU µs", ...row }],
  async measure({ size, withServer, run }) {
    const results = await withServer(undefined, async (server) => {
      await subscribe(server, size.cursors);
      return run(server, "durable", [...confirmed(size), "--destination", DESTINATION]);
    });
    return { figures: { [KEY]: figure(results, KEY) }, results };
  },
});

export const CURSORS = [
  cursors("cursors-1", 1, { title: "A confirmed message with 1 stored cursor", base: null }),
  cursors("cursors-100000", 100_000, {
    title: "A confirmed message with 100,000 stored cursors",
    base: { work: "cursors-1" },
    goal: { most: 1.05 },
  }),
];

/** Stores so many cursors: of durable subscriptions whose students leave again. */
async function subscribe(server, count) {
  let made = 0;
  const someone = async () => {
    while (made < count) {
      const first = made;
      made += EACH;
      await comeAndGo(server, first, Math.min(EACH, count - first));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, someone));
}

async function comeAndGo(server, first, count) {
  const client = await connect(server.url, { ...server.connect, "client-id": `student-${first}` });
  const subscription = (index) => ({ id: `sub-${index}`, destination: DESTINATION, ack: "auto", durable: "true" });
  const others = Array.from({ length: count - 1 }, (_, index) => said("SUBSCRIBE", subscription(index)));
  await client.write(Buffer.concat(others));
  // Receipts come in order: with the last one all are stored.
  await client.confirmed("SUBSCRIBE", subscription(count - 1));
  await client.drop();
}
