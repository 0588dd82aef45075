// The program that runs stomp-broker-js, as its README has it.

import http from "node:http";

import StompServer from "stomp-broker-js";

const server = http.createServer();
new StompServer({ server, path: "/stomp" });
server.listen(0, "127.0.0.1", 4096, () => {
  console.log(JSON.stringify({ event: "listening", http: `127.0.0.1:${server.address().port}` }));
});
