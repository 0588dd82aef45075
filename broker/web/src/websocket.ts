// The best line: STOMP over a WebSocket. The one room that knows stompjs.

import { Client, type IFrame, type IMessage, Versions } from "@stomp/stompjs";

import { type Asked, CODE, type Ending, type Line, type LineEvents, type Trouble } from "./line.ts";
import type { Letter } from "./outbox.ts";
import { readMessageId } from "./position.ts";
import type { Start } from "./reader.ts";
import { connectHeaders } from "./session.ts";

const [WATCH_RECEIPT, RENEW_RECEIPT] = ["watch", "renew"];
/** What the broker says to this connection alone: what it refuses, and when the time is over. */
const [ERRORS, AUTH] = ["/user/queue/errors", "/user/queue/auth"];
/** Where a newer token is sent. */
const RENEW = "/app/auth";
/** The broker stops, and comes again. */
const RESTARTS = 1012;

export class WebSocketLine implements Line {
  readonly #asked: Asked;
  readonly #events: LineEvents;
  readonly #client: Client;
  #trouble: Trouble | undefined;

  constructor(asked: Asked, events: LineEvents) {
    this.#asked = asked;
    this.#events = events;
    this.#client = new Client({
      brokerURL: brokerUrl(window.location),
      // Softly: who asks for too much once keeps the lesson.
      connectHeaders: { ...connectHeaders(asked.login, asked.credentials), errors: "soft" },
      stompVersions: new Versions([Versions.V1_2]),
      // Whether and when to come back is decided elsewhere, for all lines.
      reconnectDelay: 0,
      onConnect: (frame) => this.#connected(frame),
      onStompError: (frame) => this.#refused(frame),
      onWebSocketClose: (event: CloseEvent) => events.closed(this.#ending(event)),
    });
  }

  open(): void {
    this.#client.activate();
  }

  /** Leaves with DISCONNECT, if the broker has ever answered. */
  close(): Promise<void> {
    return this.#client.deactivate({ force: !this.#client.connected });
  }

  publish({ key, destination, body }: Letter): void {
    this.#client.watchForReceipt(key, ({ headers }) => this.#events.published(key, headers["position"]));
    this.#client.publish({
      destination,
      body,
      headers: { receipt: key, "idempotency-key": key, "content-type": "application/json" },
    });
  }

  renew(token: string): void {
    this.#client.watchForReceipt(RENEW_RECEIPT, ({ headers }) => {
      const seconds = headers["expires-in"];
      this.#events.renewed(true, seconds === undefined ? undefined : 1_000 * Number(seconds));
    });
    this.#client.publish({ destination: RENEW, headers: { receipt: RENEW_RECEIPT }, body: token });
  }

  #connected(connected: IFrame): void {
    const { id, destination, durable, presence, begin, credentials } = this.#asked;
    this.#events.welcomed(credentials && connected.headers["user-name"]);
    if (!this.#client.active) return;
    this.#client.subscribe(ERRORS, (message) => this.#declined(message), { id: "errors" });
    if (credentials) this.#client.subscribe(AUTH, ({ body }) => this.#timed(body), { id: "auth" });
    const receipt = `subscribe-${id}`;
    const headers: Record<string, string> = { id, ack: "auto", receipt, ...startHeaders(begin(durable)) };
    if (durable) headers["durable"] = "true";
    this.#client.watchForReceipt(receipt, () => this.#events.subscribed());
    this.#client.subscribe(destination, (message) => this.#received(message), headers);
    if (presence) {
      const watch = { id: "presence", ack: "auto", receipt: WATCH_RECEIPT };
      this.#client.subscribe(presence, ({ body }) => this.#events.present(body), watch);
    }
    this.#events.opened();
  }

  #received({ headers, body }: IMessage): void {
    this.#events.received({
      destination: headers["destination"] ?? "",
      body,
      user: headers["user-id"],
      at: headers["timestamp"] === undefined ? undefined : Number(headers["timestamp"]),
      position: readMessageId(headers["message-id"]),
      replayed: headers["replayed"] === "true",
    });
  }

  /** The conversation goes on, but for what it was begun for. */
  #declined({ headers, body }: IMessage): void {
    const receipt = headers["receipt-id"] ?? "";
    if (receipt === WATCH_RECEIPT) return this.#events.unwatched();
    if (receipt === RENEW_RECEIPT) return this.#events.renewed(false);
    const trouble = troubleOf(headers, body);
    const isFinal = headers["retryable"] !== "true";
    this.#events.refused(receipt, trouble, isFinal);
    const isLetter = receipt !== "" && receipt !== `subscribe-${this.#asked.id}`;
    if (!isFinal) return this.#events.closed({ how: "refused" });
    if (!isLetter) this.#events.closed({ how: "ended", trouble });
  }

  #timed(body: string): void {
    const { event, expires_in: seconds } = JSON.parse(body) as { event?: unknown; expires_in?: unknown };
    if (event === "expires" && typeof seconds === "number") this.#events.expires(1_000 * seconds);
  }

  /** ERROR: the broker closes behind it. */
  #refused({ headers, body }: IFrame): void {
    this.#trouble = troubleOf(headers, body);
    this.#events.refused(headers["receipt-id"] ?? "", this.#trouble, headers["retryable"] !== "true");
  }

  #ending({ code, reason }: CloseEvent): Ending {
    const trouble = this.#trouble ?? { message: reason, reason: "", remedy: "", code: undefined };
    if (trouble.code === CODE.takenOver || isFinal(code)) return { how: "ended", trouble };
    return { how: this.#trouble || code === RESTARTS || isOfTheBroker(code) ? "refused" : "cut" };
  }
}

function troubleOf(headers: IFrame["headers"], body: string): Trouble {
  const { message = "The broker closed the connection.", reason = "", code } = headers;
  return { message, reason, remedy: body, code: code === undefined ? undefined : Number(code) };
}

function startHeaders(start: Start): Record<string, string> {
  switch (start.at) {
    case "first":
      return { "x-stream-offset": "first" };
    case "kept":
      return {};
    case "after":
      return { after: start.position };
  }
}

/** 45xx: do not come back unchanged. */
function isFinal(closeCode: number): boolean {
  return closeCode >= 4500 && closeCode < 4600;
}

function isOfTheBroker(closeCode: number): boolean {
  return closeCode >= 4000 && closeCode < 5000;
}

function brokerUrl({ protocol, host }: Location): string {
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}
