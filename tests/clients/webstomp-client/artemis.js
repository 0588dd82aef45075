// A student's page as TUM Artemis has had it for years: webstomp-client, STOMP
// 1.2 alone, subscriptions named after the session. Its CONNECT is empty, since
// a cookie says who it is; where that matters, a LOGIN other than - says so here.
//
//   node artemis.js ws://HOST:PORT/websocket/websocket LOGIN DESTINATION…
//
// Input: `send DESTINATION BODY` sends what a page compressed.

import { createInterface } from "node:readline";
import webstomp from "webstomp-client";
import { WebSocket } from "ws";

Object.assign(globalThis, { WebSocket });
const [, , url, login, ...channels] = process.argv;
const say = (event, details) => process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);

const client = webstomp.client(url, {
  heartbeat: { outgoing: 10_000, incoming: 10_000 },
  debug: false,
  protocols: ["v12.stomp"],
});
const ended = (what) => say("failed", { headers: what.headers, code: what.code });
const connected = await new Promise((resolve) => client.connect(login === "-" ? {} : { login }, resolve, ended));
channels.forEach((channel, number) => {
  const heard = ({ headers, body }) => say("message", { channel, headers, body });
  client.subscribe(channel, heard, { id: `${connected.headers.session}-${number}`, receipt: channel });
});
client.onreceipt = ({ headers }) => say("subscribed", { headers });

for await (const line of createInterface({ input: process.stdin })) {
  const [word, channel, body] = line.split(" ");
  if (word === "send") client.send(channel, body, { "X-Compressed": "true" });
}
client.disconnect();
