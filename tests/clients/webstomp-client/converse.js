// The shared conversation in the words of webstomp-client, a small library that
// Artemis and many Spring pages are made with. It closes where others wait.
//
//   node converse.js ws://HOST:PORT/ws HOST:PORT

import webstomp from "webstomp-client";
import { WebSocket } from "ws";
import { converse } from "../conversation/converse.js";
import { Inbox, Talk } from "../conversation/talk.js";

class Webstomp extends Talk {
  constructor({ url, version, login, headers, heartbeat, chunk }) {
    super();
    const protocols = [`v${version.replace(".", "")}.stomp`];
    // A close handshake with a broker that is silent takes long.
    this.socket = new WebSocket(url, protocols, { closeTimeout: 100 });
    const beats = heartbeat && { heartbeat: { incoming: heartbeat, outgoing: heartbeat } };
    this.client = webstomp.over(this.socket, { protocols, debug: false, ...beats });
    if (chunk) this.client.maxWebSocketFrameSize = chunk;
    this.client.onreceipt = (frame) => this.confirmed(frame.headers);
    this.client.onreceive = (frame) => this.stray.put(received(frame));
    this.connectHeaders = login ? { login, ...headers } : { ...headers };
  }

  async connected() {
    const connected = new Promise((resolve) => {
      // One callback for ERROR and for the end of the socket.
      this.client.connect(this.connectHeaders, resolve, (what) =>
        this.end(what.command ? { error: { headers: what.headers, body: what.body } } : { closed: what.code }),
      );
    });
    this.hello = (await this.within("CONNECTED", connected)).headers;
    this.version = this.client.version;
    this.protocol = this.socket.protocol;
    return this;
  }

  async subscribe(place, headers) {
    const inbox = new Inbox(this);
    const { receipt, came } = this.receipt("subscribe");
    const heard = (frame) => inbox.put(received(frame));
    // It makes ids of the time and a number below 1000, which may meet.
    const id = receipt;
    const subscription = this.client.subscribe(place, heard, { id, ...headers, receipt });
    const unsubscribe = () => {
      const { receipt, came } = this.receipt("unsubscribe");
      subscription.unsubscribe({ receipt });
      return came;
    };
    return { inbox, receipt: await came, unsubscribe };
  }

  send(place, body, headers) {
    const { receipt, came } = this.receipt("send");
    this.client.send(place, body, { ...headers, receipt });
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
      send: (place, body) => this.client.send(place, body, { transaction }),
      ack: ({ frame }) => frame.ack({ transaction }),
      commit,
      abort,
    };
  }

  leave() {
    return new Promise((resolve) => this.client.disconnect(resolve));
  }

  drop() {
    this.socket.terminate();
  }
}

function received(frame) {
  return { headers: frame.headers, body: frame.body, frame };
}

await converse({
  versions: ["1.0", "1.1", "1.2"],
  open: (options) => new Webstomp(options).connected(),
  cannot: {
    "receipt of DISCONNECT": "webstomp-client closes the socket right behind DISCONNECT and hears nothing more",
    "binary body": "webstomp-client sends strings and ends a body at its first NUL",
    "escaped header": "webstomp-client neither escapes headers nor undoes it",
  },
});
