// A participant's page as Particify has it: RxStomp, no heart-beats from the
// broker, back after a second, streams of a room watched by their routing keys.
//
//   node particify.js ws://HOST:PORT/api/ws/websocket LOGIN ROOM
//
// Input: `drop` breaks the socket, `send DESTINATION BODY` sends, without a receipt.

import { RxStomp, RxStompState } from "@stomp/rx-stomp";
import { createInterface } from "node:readline";
import { filter, firstValueFrom } from "rxjs";
import { WebSocket } from "ws";

Object.assign(globalThis, { WebSocket });
const [, , brokerURL, login, room] = process.argv;
const say = (event, details) => process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);

const rx = new RxStomp();
rx.configure({
  brokerURL,
  connectHeaders: { login },
  heartbeatIncoming: 0,
  heartbeatOutgoing: 20_000,
  reconnectDelay: 1_000,
});
rx.stompErrors$.subscribe(({ headers, body }) => say("failed", { headers, body }));
rx.unhandledReceipts$.subscribe(({ headers }) => say("watching", { headers }));
const headers = { "content-type": "application/json", "ars-user-id": login, "ars-role": "PARTICIPANT" };
const streams = ["feedback.stream", "state.changed", "content-4711.answers-changed.stream"];
for (const stream of streams) {
  const watched = rx.watch(`/topic/${room}.${stream}`, { ...headers, receipt: stream });
  watched.subscribe((message) => say("message", { stream, body: message.body, headers: message.headers }));
}
rx.activate();

for await (const line of createInterface({ input: process.stdin })) {
  const [word, destination, body] = line.split(" ");
  if (word === "send") rx.publish({ destination, body, headers });
  if (word === "drop") {
    rx.stompClient.forceDisconnect();
    await firstValueFrom(rx.connectionState$.pipe(filter((state) => state === RxStompState.CLOSED)));
    say("dropped");
  }
}
await rx.deactivate();
