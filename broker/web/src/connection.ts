// The page's one STOMP connection: @stomp/stompjs, and around it what a lesson needs.
//
// It comes back by itself after a broken connection and stays away when the broker says so (close codes 45xx) or when
// another page took over. Everything that is published waits in the outbox until its RECEIPT; every subscription goes
// on where its reader stands.

import { Client, type IFrame, type IMessage, ReconnectionTimeMode, Versions } from "@stomp/stompjs";

import type { Arrival } from "./lesson.ts";
import { type Letter, Outbox, uniqueKey } from "./outbox.ts";
import { type Position, readMessageId } from "./position.ts";
import type { Reader } from "./reader.ts";

export type Status =
  | { readonly is: "connecting" }
  | { readonly is: "connected" }
  /** Broken, and tried again by itself. */
  | { readonly is: "lost" }
  /** The user switched it off. */
  | { readonly is: "away" }
  /** The broker does not want this page back as it is. */
  | { readonly is: "ended"; readonly trouble: Trouble };

/** An ERROR frame, or a close that says why. */
export interface Trouble {
  readonly message: string;
  readonly reason: string;
  readonly remedy: string;
  readonly takenOver: boolean;
}

/** A message of a logged destination. */
export interface Incoming {
  readonly destination: string;
  readonly body: string;
  readonly user: string | undefined;
  readonly at: number | undefined;
  readonly position: Position | undefined;
  readonly arrived: Arrival;
}

export interface Subscription {
  readonly id: string;
  readonly destination: string;
  readonly durable: boolean;
  readonly reader: Reader;
  readonly received: (incoming: Incoming) => void;
}

/** Who is here; a broker may not offer it. */
export interface Watch {
  readonly destination: string;
  readonly received: (body: string) => void;
  /** The connection is gone, or the broker does not say: nobody knows who is here. */
  readonly unknown: () => void;
}

const RECONNECT_FIRST_MS = 1_000;
const RECONNECT_MAX_MS = 30_000;
const WATCH_RECEIPT = "watch";
const TAKEN_OVER = "117";

export class Connection {
  status: Status = { is: "connecting" };
  /** What the broker refused last, until it has granted everything. */
  trouble: Trouble | undefined;

  readonly #client: Client;
  readonly #outbox = new Outbox();
  readonly #changed: () => void;
  readonly #subscriptions: Subscription[] = [];
  #watch: Watch | undefined;
  /** The roster alone was refused: the lesson comes back without it. */
  #goesOnUnwatched = false;

  constructor(login: string, changed: () => void) {
    this.#changed = changed;
    this.#client = new Client({
      brokerURL: brokerUrl(window.location),
      connectHeaders: { login },
      stompVersions: new Versions([Versions.V1_2]),
      reconnectDelay: RECONNECT_FIRST_MS,
      maxReconnectDelay: RECONNECT_MAX_MS,
      reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
      connectionTimeout: 15_000,
      onConnect: () => this.#connected(),
      onStompError: (frame) => this.#refused(frame),
      onWebSocketClose: (event: CloseEvent) => this.#closed(event),
    });
  }

  get unsent(): number {
    return this.#outbox.waiting;
  }

  follow(subscription: Subscription): void {
    this.#subscriptions.push(subscription);
  }

  watch(watch: Watch): void {
    this.#watch = watch;
  }

  /** Connects, or connects again after `goAway` or an end. */
  comeBack(): void {
    this.trouble = undefined;
    this.#become({ is: "connecting" });
    this.#client.activate();
  }

  /** Leaves as a page that is closed would: with DISCONNECT, and without coming back by itself. */
  async goAway(): Promise<void> {
    this.#outbox.disconnected();
    this.#become({ is: "away" });
    await this.#client.deactivate();
  }

  /** Does not wait for the backoff when the connection is known to be lost. */
  async hurry(): Promise<void> {
    if (this.status.is !== "lost") return;
    await this.#client.deactivate({ force: true });
    this.comeBack();
  }

  /** Resolves with the position once the broker has stored it; may take as long as the page is offline. */
  publish(destination: string, message: object): Promise<string | undefined> {
    return new Promise((confirmed, refuse) => {
      const refused = (reason: string): void => refuse(new Error(reason));
      this.#outbox.put({ key: uniqueKey(), destination, body: JSON.stringify(message), confirmed, refused });
      this.#changed();
    });
  }

  #connected(): void {
    this.#become({ is: "connected" });
    for (const subscription of this.#subscriptions) this.#subscribe(subscription);
    if (this.#watch) this.#subscribeWatch(this.#watch);
    this.#outbox.connected((letter) => this.#post(letter));
  }

  #subscribe({ id, destination, durable, reader, received }: Subscription): void {
    const headers: Record<string, string> = { id, ack: "auto", receipt: `subscribe-${id}`, ...reader.begin() };
    if (durable) headers["durable"] = "true";
    this.#client.watchForReceipt(`subscribe-${id}`, () => {
      reader.began();
      this.#goesWell();
    });
    this.#client.subscribe(destination, (message) => hand(message, reader, received), headers);
  }

  #subscribeWatch(watch: Watch): void {
    const headers = { id: "presence", ack: "auto", receipt: WATCH_RECEIPT };
    this.#client.subscribe(watch.destination, ({ body }) => watch.received(body), headers);
  }

  #post({ key, destination, body }: Letter): void {
    this.#client.watchForReceipt(key, ({ headers }) => {
      this.#outbox.confirm(key, headers["position"]);
      this.#goesWell();
    });
    this.#client.publish({
      destination,
      body,
      headers: { receipt: key, "idempotency-key": key, "content-type": "application/json" },
    });
  }

  /** ERROR: the broker closes behind it. */
  #refused({ headers, body }: IFrame): void {
    const receipt = headers["receipt-id"] ?? "";
    if (receipt === WATCH_RECEIPT && this.#watch) {
      this.#watch = undefined;
      this.#goesOnUnwatched = true;
      return;
    }
    this.trouble = {
      message: headers["message"] ?? "The broker closed the connection.",
      reason: headers["reason"] ?? "",
      remedy: body,
      takenOver: headers["code"] === TAKEN_OVER,
    };
    if (headers["retryable"] !== "true") this.#outbox.refuse(receipt, this.trouble.message);
    this.#changed();
  }

  #closed({ code, reason }: CloseEvent): void {
    this.#outbox.disconnected();
    if (this.status.is === "away" || this.status.is === "ended") return;
    const trouble = this.trouble ?? { message: reason, reason: "", remedy: "", takenOver: false };
    const final = isFinal(code) && !this.#goesOnUnwatched;
    this.#goesOnUnwatched = false;
    if (trouble.takenOver || final) {
      this.#become({ is: "ended", trouble });
      void this.#client.deactivate();
    } else {
      if (this.trouble) this.#client.reconnectDelay = Math.min(2 * this.#client.reconnectDelay, RECONNECT_MAX_MS);
      this.#become({ is: "lost" });
    }
  }

  /** Everything asked for was granted. Before that CONNECTED proves little: what was refused will be asked for again. */
  #goesWell(): void {
    if (this.#outbox.waiting === 0) {
      this.trouble = undefined;
      this.#client.reconnectDelay = RECONNECT_FIRST_MS;
    }
    this.#changed();
  }

  #become(status: Status): void {
    this.status = status;
    if (status.is !== "connected") this.#watch?.unknown();
    this.#changed();
  }
}

/** Hands a message on, unless this page has seen it. */
function hand({ headers, body }: IMessage, reader: Reader, received: Subscription["received"]): void {
  const position = readMessageId(headers["message-id"]);
  const arrived = reader.receive(position, headers["replayed"] === "true");
  if (!arrived) return;
  const at = headers["timestamp"] === undefined ? undefined : Number(headers["timestamp"]);
  received({ destination: headers["destination"] ?? "", body, user: headers["user-id"], at, position, arrived });
}

/** 45xx: do not come back unchanged. */
function isFinal(closeCode: number): boolean {
  return closeCode >= 4500 && closeCode < 4600;
}

function brokerUrl({ protocol, host }: Location): string {
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}
