// The shared conversation in the words of @stomp/stompjs 5, in the style of
// its predecessors, callbacks and all: pages that were never rewritten have it so.
//
//   node converse.js ws://HOST:PORT/ws HOST:PORT

import stompjs from "@stomp/stompjs";
import { WebSocket } from "ws";
import { converse } from "../conversation/converse.js";
import { Inbox, Talk } from "../conversation/talk.js";

const { Stomp, Versions } = stompjs;

class Callbacks extends Talk {
  constructor({ url, version, login, headers, heartbeat, chunk }) {
    super();
    const versions = new Versions([version]);
    // A close handshake with a broker that is silent takes long.
    this.client = Stomp.over(() => new WebSocket(url, versions.protocolVersions(), { closeTimeout: 100 }));
    this.client.debug = () => {};
    this.client.stompVersions = versions;
    if (heartbeat) this.client.heartbeat = { incoming: heartbeat, outgoing: heartbeat };
    if (chunk) Object.assign(this.client, { splitLargeFrames: true, maxWebSocketChunkSize: chunk });
    this.client.onreceipt = (frame) => this.confirmed(frame.headers);
    this.client.onreceive = (message) => this.stray.put(received(message));
    this.connectHeaders = login ? { login, ...headers } : headers;
  }

  async connected() {
    const connected = new Promise((resolve) =>
      this.client.connect(
        this.connectHeaders,
        resolve,
        ({ headers, body }) => this.end({ error: { headers, body } }),
        ({ code }) => this.end({ closed: code }),
      ),
    );
    this.hello = (await this.within("CONNECTED", connected)).headers;
    this.version = this.client.version;
    this.protocol = this.client.ws.protocol;
    return this;
  }

  async subscribe(place, headers) {
    const inbox = new Inbox(this);
    const { receipt, came } = this.receipt("subscribe");
    const heard = (message) => inbox.put(received(message));
    const subscription = this.client.subscribe(place, heard, { ...headers, receipt });
    const unsubscribe = () => {
      const { receipt, came } = this.receipt("unsubscribe");
      subscription.unsubscribe({ receipt });
      return came;
    };
    return { inbox, receipt: await came, unsubscribe };
  }

  send(place, body, headers) {
    const { receipt, came } = this.receipt("send");
    if (typeof body === "string") {
      this.client.send(place, { ...headers, receipt }, body);
    } else {
      this.client.publish({ destination: place, headers: { ...headers, receipt }, binaryBody: body });
    }
    return came;
  }

  ack({ frame }) {
    const { receipt, came } = this.receipt("ack");
    frame.ack({ receipt });
    return came;
  }

  nack({ frame }, headers) {
    const { receipt, came } = this.receipt("nack");
    frame.nack({ ...headers, receipt });
    return came;
  }

  begin() {
    const { id: transaction, commit, abort } = this.client.begin();
    return {
      send: (place, body) => this.client.send(place, { transaction }, body),
      ack: ({ frame }) => frame.ack({ transaction }),
      commit,
      abort,
    };
  }

  leave() {
    const disconnected = new Promise((resolve) => this.client.disconnect(resolve));
    return this.within("the RECEIPT of DISCONNECT", disconnected);
  }

  drop() {
    // Its `disconnect` says goodbye; only the socket can be broken.
    this.client.ws?.terminate();
  }
}

function received(frame) {
  return {
    headers: frame.headers,
    frame,
    get body() {
      return frame.body;
    },
    get bytes() {
      return frame.binaryBody;
    },
  };
}

await converse({
  versions: ["1.0", "1.1", "1.2"],
  open: (options) => new Callbacks(options).connected(),
  cannot: { "escaped header": { "1.1": "stompjs escapes headers in 1.2 only" } },
});
