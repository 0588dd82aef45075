// What the scripts share: an unmodified stompjs client, and the talk with the
// test that started them: one JSON line out for each thing that happens, one
// line in for each thing to do.

import { Client } from "@stomp/stompjs";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

/** Tells the test what happened. */
export function say(event, details = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);
}

/** A client that comes back by itself, as a page's does, to wherever `url()` says. */
export function client({ url, login, ...options }) {
  return new Client({
    webSocketFactory: () => new WebSocket(url(), ["v12.stomp", "v11.stomp", "v10.stomp"]),
    connectHeaders: { login },
    reconnectDelay: 200,
    heartbeatIncoming: 1_000,
    heartbeatOutgoing: 1_000,
    onStompError: (frame) => say("error", { headers: frame.headers, body: frame.body }),
    onWebSocketClose: (close) => say("closed", { code: close.code }),
    ...options,
  });
}

/** Sends and resolves with the RECEIPT. */
export function publish(stomp, message) {
  return new Promise((confirmed) => {
    const receipt = `receipt-${++receipts}`;
    stomp.watchForReceipt(receipt, confirmed);
    stomp.publish({ ...message, headers: { ...message.headers, receipt } });
  });
}

let receipts = 0;

/** Calls `heard` with the words of each line that the test says, until it says no more. */
export async function listen(heard) {
  for await (const line of createInterface({ input: process.stdin })) {
    await heard(line.split(" "));
  }
}

process.on("unhandledRejection", (error) => {
  say("failed", { error: String(error) });
  process.exit(1);
});
