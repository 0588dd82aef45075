// The best line: STOMP over a WebSocket. The one room that knows stompjs.

import { Client, type IFrame, type IMessage, Versions } from "@stomp/stompjs";

import type { Asked, Ending, Line, LineEvents, Trouble } from "./line.ts";
import type { Letter } from "./outbox.ts";
import { readMessageId } from "./position.ts";
import type { Start } from "./reader.ts";

const WATCH_RECEIPT = "watch";
const TAKEN_OVER = "117";
/** The broker stops, and comes again. */
const RESTARTS = 1012;

export class WebSocketLine implements Line {
  readonly #asked: Asked;
  readonly #events: LineEvents;
  readonly #client: Client;
  #trouble: Trouble | undefined;
  /** The broker said something against it, and may be asked again. */
  #isRefused = false;

  constructor(asked: Asked, events: LineEvents) {
    this.#asked = asked;
    this.#events = events;
    this.#client = new Client({
      brokerURL: brokerUrl(window.location),
      connectHeaders: { login: asked.login },
      stompVersions: new Versions([Versions.V1_2]),
      // Whether and when to come back is decided elsewhere, for all lines.
      reconnectDelay: 0,
      onConnect: () => this.#connected(),
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

  #connected(): void {
    const { id, destination, durable, presence, begin } = this.#asked;
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

  /** ERROR: the broker closes behind it. */
  #refused({ headers, body }: IFrame): void {
    const receipt = headers["receipt-id"] ?? "";
    this.#isRefused = true;
    if (receipt === WATCH_RECEIPT) return this.#events.unwatched();
    this.#trouble = {
      message: headers["message"] ?? "The broker closed the connection.",
      reason: headers["reason"] ?? "",
      remedy: body,
      takenOver: headers["code"] === TAKEN_OVER,
    };
    this.#events.refused(receipt, this.#trouble, headers["retryable"] !== "true");
  }

  #ending({ code, reason }: CloseEvent): Ending {
    const trouble = this.#trouble ?? { message: reason, reason: "", remedy: "", takenOver: false };
    // Only the roster was refused: the lesson comes back without it.
    const isAlone = this.#isRefused && !this.#trouble;
    if (trouble.takenOver || (isFinal(code) && !isAlone)) return { how: "ended", trouble };
    return { how: this.#isRefused || code === RESTARTS || isOfTheBroker(code) ? "refused" : "cut" };
  }
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
