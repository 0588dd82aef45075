// The shared conversation in the words of @stomp/rx-stomp: observables, as
// Angular pages like them. Particify's are made with it.
//
//   node converse.js ws://HOST:PORT/ws HOST:PORT

import { RxStomp, RxStompState } from "@stomp/rx-stomp";
import { Versions } from "@stomp/stompjs";
import { filter, firstValueFrom, map } from "rxjs";
import { WebSocket } from "ws";
import { converse } from "../conversation/converse.js";
import { Inbox, Talk } from "../conversation/talk.js";

Object.assign(globalThis, { WebSocket });

class Observables extends Talk {
  constructor({ url, version, login, headers, heartbeat, chunk }) {
    super();
    this.rx = new RxStomp();
    this.rx.configure({
      brokerURL: url,
      stompVersions: new Versions([version]),
      connectHeaders: login ? { login, ...headers } : headers,
      reconnectDelay: 0,
      // A close handshake with a broker that is silent takes long.
      discardWebsocketOnCommFailure: true,
      ...(heartbeat && { heartbeatIncoming: heartbeat, heartbeatOutgoing: heartbeat }),
      ...(chunk && { splitLargeFrames: true, maxWebSocketChunkSize: chunk }),
    });
    this.rx.stompErrors$.subscribe(({ headers, body }) => this.end({ error: { headers, body } }));
    this.rx.unhandledMessage$.subscribe((message) => this.stray.put(received(message)));
    this.rx.unhandledReceipts$.subscribe(({ headers }) => this.confirmed(headers));
  }

  async connected() {
    this.rx.activate();
    this.hello = await this.within("CONNECTED", firstValueFrom(this.rx.serverHeaders$));
    const closed$ = this.rx.connectionState$.pipe(filter((state) => state === RxStompState.CLOSED));
    closed$.subscribe(() => this.end({ closed: "CLOSED" }));
    this.version = this.rx.stompClient.connectedVersion;
    this.protocol = this.rx.stompClient.webSocket.protocol;
    return this;
  }

  async subscribe(destination, headers) {
    const inbox = new Inbox(this);
    const subscribed = this.receipt("subscribe");
    const unsubscribed = this.receipt("unsubscribe");
    const messages$ = this.rx.watch({
      destination,
      subHeaders: { ...headers, receipt: subscribed.receipt },
      unsubHeaders: { receipt: unsubscribed.receipt },
    });
    const subscription = messages$.pipe(map(received)).subscribe((message) => inbox.put(message));
    const unsubscribe = () => {
      subscription.unsubscribe();
      return unsubscribed.came;
    };
    return { inbox, receipt: await subscribed.came, unsubscribe };
  }

  send(destination, body, headers) {
    const { receipt, came } = this.receipt("send");
    this.rx.publish({ destination, headers: { ...headers, receipt }, ...bodyOf(body) });
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
    // RxStomp itself has no transactions; the client below it is its way to them.
    const { id: transaction, commit, abort } = this.rx.stompClient.begin();
    return {
      send: (destination, body) => this.rx.publish({ destination, body, headers: { transaction } }),
      ack: ({ frame }) => frame.ack({ transaction }),
      commit,
      abort,
    };
  }

  leave() {
    const disconnected = new Promise((resolve) => (this.rx.stompClient.onDisconnect = resolve));
    this.rx.deactivate();
    return this.within("the RECEIPT of DISCONNECT", disconnected);
  }

  drop() {
    this.rx.deactivate({ force: true });
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

await converse({
  versions: ["1.0", "1.1", "1.2"],
  open: (options) => new Observables(options).connected(),
  cannot: { "escaped header": { "1.1": "stompjs escapes headers in 1.2 only" } },
});
