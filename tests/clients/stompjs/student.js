// A durable student that drops and returns.
//
//   node student.js ws://HOST:PORT/ws LOGIN DESTINATION ACK
//
// Input: `drop` breaks the socket, `away` stays away, `back` returns, `url U` names another address.

import { client, listen, say } from "./lesson.js";

let [, , url, login, destination, ack] = process.argv;

const stomp = client({ url: () => url, login });
stomp.onConnect = () => {
  stomp.watchForReceipt("subscribed", (receipt) => say("subscribed", { headers: receipt.headers }));
  const headers = { id: "lesson", durable: "true", receipt: "subscribed", ack };
  stomp.subscribe(
    destination,
    (message) => {
      say("message", { body: message.body, headers: message.headers, binary: message.isBinaryBody });
      if (ack !== "auto") message.ack();
    },
    headers,
  );
};
stomp.activate();

await listen(async ([word, value]) => {
  if (word === "drop") stomp.forceDisconnect();
  if (word === "away") await stomp.deactivate({ force: true }).then(() => say("away"));
  if (word === "back") stomp.activate();
  if (word === "url") url = value;
});
await stomp.deactivate();
say("gone");
