// The shared conversation in the words of @stomp/stompjs 7, which most pages
// that speak STOMP today are made with.
//
//   node converse.js ws://HOST:PORT/ws HOST:PORT

import { Client, Versions } from "@stomp/stompjs";
import { WebSocket } from "ws";
import { converse } from "../conversation/converse.js";
import { Inbox, Talk } from "../conversation/talk.js";

// As the library's guide has it for Node.
Object.assign(globalThis, { WebSocket });

class StompJs extends Talk {
  constructor({ url, version, login, headers, heartbeat, chunk }) {
    super();
    this.client = new Client({
      brokerURL: url,
      stompVersions: new Versions([version]),
      connectHeaders: login ? { login, ...headers } : headers,
      reconnectDelay: 0,
      // A close handshake with a broker that is silent takes long.
      discardWebsocketOnCommFailure: true,
      ...(heartbeat && { heartbeatIncoming: heartbeat, heartbeatOutgoing: heartbeat }),
      ...(chunk && { splitLargeFrames: true, maxWebSocketChunkSize: chunk }),
      onStompError: ({ headers, body }) => this.end({ error: { headers, body } }),
      onWebSocketClose: ({ code }) => this.end({ closed: code }),
      onUnhandledMessage: (message) => this.stray.put(received(message)),
    });
  }

  async connected() {
    const connected = new Promise((resolve) => (this.client.onConnect = resolve));
    this.client.activate();
    this.hello = (await this.within("CONNECTED", connected)).headers;
    this.version = this.client.connectedVersion;
    this.protocol = this.client.webSocket.protocol;
    return this;
  }

  /** Headers that ask for a RECEIPT, and the promise of it. */
  confirming(what, headers = {}) {
    const { receipt, came } = this.receipt(what);
    this.client.watchForReceipt(receipt, (frame) => this.confirmed(frame.headers));
    return [{ ...headers, receipt }, came];
  }

  async subscribe(place, headers) {
    const inbox = new Inbox(this);
    const [asking, came] = this.confirming("subscribe", headers);
    const subscription = this.client.subscribe(place, (message) => inbox.put(received(message)), asking);
    const unsubscribe = () => {
      const [asking, came] = this.confirming("unsubscribe");
      subscription.unsubscribe(asking);
      return came;
    };
    return { inbox, receipt: await came, unsubscribe };
  }

  send(destination, body, headers) {
    const [asking, came] = this.confirming("send", headers);
    this.client.publish({ destination, headers: asking, ...bodyOf(body) });
    return came;
  }

  ack({ frame }) {
    const [asking, came] = this.confirming("ack");
    frame.ack(asking);
    return came;
  }

  nack({ frame }, headers) {
    const [asking, came] = this.confirming("nack", headers);
    frame.nack(asking);
    return came;
  }

  begin() {
    const { id: transaction, commit, abort } = this.client.begin();
    return {
      send: (destination, body) => this.client.publish({ destination, headers: { transaction }, ...bodyOf(body) }),
      ack: ({ frame }) => frame.ack({ transaction }),
      commit,
      abort,
    };
  }

  leave() {
    const disconnected = new Promise((resolve) => (this.client.onDisconnect = resolve));
    this.client.deactivate();
    return this.within("the RECEIPT of DISCONNECT", disconnected);
  }

  drop() {
    this.client.deactivate({ force: true });
  }
}

function bodyOf(body) {
  return typeof body === "string" ? { body } : { binaryBody: body };
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

const unescaped = "stompjs escapes headers in 1.2 only";

await converse({
  versions: ["1.0", "1.1", "1.2"],
  open: (options) => new StompJs(options).connected(),
  cannot: { "escaped header": { "1.1": unescaped } },
});
