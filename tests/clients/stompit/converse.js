// The shared conversation in the words of stompit: streams over TCP, as services
// in Node speak to RabbitMQ and ActiveMQ.
//
//   node converse.js ws://HOST:PORT/ws HOST:PORT

import stompit from "stompit";
import { converse } from "../conversation/converse.js";
import { Inbox, Talk } from "../conversation/talk.js";

/** Beats come late on a busy machine; the library's own margin is 100 ms. */
const BEAT_MARGIN_MS = 1_000;

class Stompit extends Talk {
  constructor({ host, port, version, login, headers, heartbeat }) {
    super();
    this.options = {
      host,
      port,
      heartbeatDelayMargin: BEAT_MARGIN_MS,
      connectHeaders: {
        "accept-version": version,
        ...(login && { login }),
        ...(heartbeat && { "heart-beat": `${heartbeat},${heartbeat}` }),
        ...headers,
      },
    };
  }

  async connected() {
    this.client = await new Promise((resolve, reject) =>
      stompit.connect(this.options, (error, client) => (error ? reject(error) : resolve(client))),
    );
    // The library makes an Error of an ERROR frame; a broken line is one as well.
    this.client.on("error", (error) => {
      const { message } = error;
      this.end(error.isApplicationError() ? { error: { headers: { message } } } : { closed: message });
    });
    this.client.on("end", () => this.end({ closed: "end" }));
    this.hello = this.client.headers;
    this.version = this.hello.version;
    return this;
  }

  /** It ends a conversation in which an unknown subscription has a message. */
  replies(name) {
    const inbox = new Inbox(this);
    this.client.setImplicitSubscription(`/temp-queue/${name}`, "auto", async (error, frame) => {
      if (!error) inbox.put(await received(frame));
    });
    return inbox;
  }

  /** Options that ask for a RECEIPT, and the promise of it. */
  confirming(what) {
    const { receipt, came } = this.receipt(what);
    return [{ onReceipt: () => this.confirmed({ "receipt-id": receipt }) }, came];
  }

  async subscribe(destination, headers) {
    const inbox = new Inbox(this);
    const subscription = this.client.subscribe({ destination, ...headers }, async (error, frame) => {
      if (!error) inbox.put(await received(frame));
    });
    // Frames take effect in their order: the RECEIPT of a SEND stands for the SUBSCRIBE before it.
    await this.send("/topic/fence", "subscribed?");
    const unsubscribe = () => {
      subscription.unsubscribe();
      return this.send("/topic/fence", "unsubscribed?");
    };
    return { inbox, unsubscribe };
  }

  send(destination, body, headers) {
    const [options, came] = this.confirming("send");
    const length = { "content-length": Buffer.byteLength(body) };
    this.client.send({ destination, ...length, ...headers }, options).end(body);
    return came;
  }

  ack({ frame }) {
    const [options, came] = this.confirming("ack");
    this.client.ack(frame, {}, options);
    return came;
  }

  nack({ frame }, headers = {}) {
    const [options, came] = this.confirming("nack");
    this.client.nack(frame, headers, options);
    return came;
  }

  begin() {
    const transaction = this.client.begin();
    const confirmed = (end) => () => {
      const [options, came] = this.confirming(end);
      transaction[end](options);
      return came;
    };
    return {
      send: (destination, body) => transaction.send({ destination }).end(body),
      ack: ({ frame }) => this.client.ack(frame, { transaction: transaction.id }),
      commit: confirmed("commit"),
      abort: confirmed("abort"),
    };
  }

  leave() {
    return new Promise((resolve, reject) =>
      this.client.disconnect((error) => (error ? reject(error) : resolve())),
    );
  }

  drop() {
    this.client.destroy();
  }
}

/** A message is a stream, and the next one comes only when it has been read. */
async function received(frame) {
  const chunks = [];
  for await (const chunk of frame) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return { headers: frame.headers, body: bytes.toString(), bytes, frame };
}

await converse({
  versions: ["1.0", "1.1", "1.2"],
  open: (options) => new Stompit(options).connected(),
  cannot: {
    "receipt of SUBSCRIBE": "stompit asks for none",
    "receipt of UNSUBSCRIBE": "stompit asks for one and tells nobody",
    "1 MiB in 8 KiB chunks": "over TCP there are no messages to cut into",
    "whole ERROR": "stompit hands on an ERROR's message and nothing else of it",
  },
});
