// A publisher that waits for its receipts.
//
//   node publisher.js ws://HOST:PORT/ws LOGIN DESTINATION
//
// Input: `publish N` publishes N messages, `again KEY BODY` sends a message with an idempotency key.

import { client, listen, publish, say } from "./lesson.js";

const [, , url, login, destination] = process.argv;

const stomp = client({ url: () => url, login });
let count = 0;
stomp.onConnect = (connected) => say("connected", { headers: connected.headers, version: stomp.connectedVersion });
stomp.activate();

await listen(async ([word, first, second]) => {
  if (word === "publish") {
    const bodies = Array.from({ length: Number(first) }, () => `message ${++count}`);
    const receipts = await Promise.all(bodies.map((body) => publish(stomp, { destination, body })));
    say("confirmed", { positions: receipts.map((receipt) => receipt.headers.position) });
  }
  if (word === "again") {
    const headers = { "idempotency-key": first };
    const receipt = await publish(stomp, { destination, body: second, headers });
    say("confirmed", { headers: receipt.headers });
  }
});
await stomp.deactivate();
say("gone");
