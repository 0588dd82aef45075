// Who is compared, in the order of the table's columns.

import { homeroom } from "./homeroom.js";
import { nats } from "./nats.js";
import { rabbitmq } from "./rabbitmq.js";
import { raw } from "./raw.js";
import { freshDirectory, remove } from "./server.js";
import { stompBrokerJs } from "./stomp-broker-js.js";

export const PEERS = [raw, stompBrokerJs, nats, rabbitmq, homeroom];

/** A server that has not done its work by then hangs. In seconds. */
const PATIENCE_SECONDS = 300;

/** Starts a peer with nothing in it, lets `use` have it, and leaves nothing behind. */
export async function withServer(peer, { binary, options, seconds = PATIENCE_SECONDS }, use) {
  const directory = await freshDirectory(peer.name);
  let server;
  let watch;
  let hangs = false;
  try {
    server = await peer.start({ binary, directory, options });
    // Without its server, whatever waits for it fails.
    watch = setTimeout(() => {
      hangs = true;
      server.process.stop();
    }, seconds * 1000);
    return await use(server, directory);
  } catch (error) {
    if (hangs) throw new Error(`${peer.title} had not done it within ${seconds} s`);
    const end = server?.process.end();
    throw end === undefined ? error : new Error(`${peer.title} ended with ${end}: ${error.message}`);
  } finally {
    clearTimeout(watch);
    await server?.process.stop();
    await remove(directory);
  }
}
