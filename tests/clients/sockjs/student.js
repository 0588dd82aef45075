// A durable student with stompjs over sockjs-client, both as they are.
//
//   node student.js http://HOST:PORT/ws TRANSPORT LOGIN DESTINATION
//
// Input: `away` stays away, `back` returns, `publish TEXT` and `publish-large LENGTH` send to the same place.

import { Client } from "@stomp/stompjs";
import { createInterface } from "node:readline";
import SockJS from "sockjs-client";

const [, , url, transport, login, destination] = process.argv;

function say(event, details = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);
}

const seen = new Set();
const stomp = new Client({
  webSocketFactory: () => new SockJS(url, null, { transports: [transport] }),
  connectHeaders: { login },
  reconnectDelay: 200,
  heartbeatIncoming: 1_000,
  heartbeatOutgoing: 1_000,
  onStompError: ({ headers, body }) => say("error", { headers, body }),
  onWebSocketClose: ({ code }) => say("closed", { code }),
});
stomp.onConnect = () => {
  stomp.watchForReceipt("subscribed", ({ headers }) => say("subscribed", { headers, transport: stomp.webSocket.transport }));
  const headers = { id: "lesson", durable: "true", receipt: "subscribed" };
  stomp.subscribe(destination, (message) => {
    const id = message.headers["message-id"];
    // A repeat is marked, and left out.
    if (seen.has(id)) {
      if (message.headers.redelivered !== "true") say("failed", { error: `${id} came twice and is not marked` });
      return;
    }
    seen.add(id);
    say("message", { body: message.body, headers: message.headers });
  }, headers);
};
stomp.activate();

let receipts = 0;
function publish(body) {
  const receipt = `sent-${receipts++}`;
  stomp.watchForReceipt(receipt, () => say("confirmed"));
  stomp.publish({ destination, body, headers: { receipt } });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [word, ...rest] = line.split(" ");
  if (word === "away") await stomp.deactivate({ force: true }).then(() => say("away"));
  if (word === "back") stomp.activate();
  if (word === "publish") publish(rest.join(" "));
  if (word === "publish-large") publish("x".repeat(Number(rest[0])));
}
await stomp.deactivate();
say("gone");
