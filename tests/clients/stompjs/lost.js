// Somebody who writes to a place that does not exist.
//
//   node lost.js ws://HOST:PORT/ws DESTINATION

import { client, say } from "./lesson.js";

const [, , url, destination] = process.argv;

const stomp = client({ url: () => url, login: "lost", reconnectDelay: 0 });
stomp.onConnect = () => stomp.publish({ destination, body: "hello?" });
stomp.onWebSocketClose = (close) => {
  say("closed", { code: close.code });
  process.exit(0);
};
stomp.activate();
