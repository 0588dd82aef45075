// Who is compared, in the order of the table's columns.

import { homeroom } from "./homeroom.js";
import { nats } from "./nats.js";
import { rabbitmq } from "./rabbitmq.js";
import { raw } from "./raw.js";
import { freshDirectory, remove } from "./server.js";
import { stompBrokerJs } from "./stomp-broker-js.js";

export const PEERS = [raw, stompBrokerJs, nats, rabbitmq, homeroom];

/** Starts a peer with nothing in it, lets `use` have it, and leaves nothing behind. */
export async function withServer(peer, { binary, options }, use) {
  const directory = await freshDirectory(peer.name);
  let server;
  try {
    server = await peer.start({ binary, directory, options });
    return await use(server, directory);
  } catch (error) {
    const end = server?.process.end();
    throw end === undefined ? error : new Error(`${peer.title} ended with ${end}: ${error.message}`);
  } finally {
    await server?.process.stop();
    await remove(directory);
  }
}
