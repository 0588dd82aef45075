// The WebSocket door: a STOMP conversation that enters no classroom. In bare frames, so that what is measured is the
// network and not a library.

import { Failed, WITHIN_MS } from "./asking.ts";

type Frame = { readonly command: string; readonly headers: ReadonlyMap<string, string> };

const BUSY = ["106", "108"];
/** The broker asks who somebody is. */
const UNAUTHORIZED = "101";

/** After CONNECTED; neither side has to say anything for a long time. */
export class Conversation {
  /** How often the broker offers to send a heart-beat. */
  heartbeatSeconds = 0;
  /** When something came last, by `performance.now()`. */
  heardAt = performance.now();
  isClosed = false;
  /** Of whoever waits for the next frame, or for the end. */
  #wake: (() => void) | undefined;
  readonly #frames: Frame[] = [];
  readonly #socket: WebSocket;
  #isOpen = false;

  private constructor() {
    this.#socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, ["v12.stomp"]);
    this.#socket.onopen = () => this.#stirred(() => (this.#isOpen = true));
    this.#socket.onmessage = ({ data }) => this.#stirred(() => this.#take(String(data)));
    this.#socket.onclose = () => {
      this.isClosed = true;
      this.#wake?.();
    };
  }

  /** Our heart-beats are so seldom that the broker has no reason to ask for a sign within `quietMs`. */
  static async open(quietMs: number): Promise<Conversation> {
    const conversation = new Conversation();
    try {
      await conversation.#connect(quietMs);
      return conversation;
    } catch (error) {
      conversation.leave();
      throw error;
    }
  }

  async #connect(quietMs: number): Promise<void> {
    await this.#until(() => this.#isOpen);
    if (this.isClosed && !this.#isOpen) throw new Failed({ is: "refused" });
    if (!this.#isOpen) throw new Failed({ is: "silent" });
    this.#send("CONNECT", { "accept-version": "1.2", host: "homeroom", "heart-beat": `${Math.round(2 * Math.max(quietMs, WITHIN_MS))},0` });
    const frame = await this.#frame();
    if (!frame) throw new Failed({ is: this.isClosed ? "closed" : "silent" });
    if (frame.command === "ERROR" && BUSY.includes(frame.headers.get("code") ?? "")) throw new Failed({ is: "busy" });
    // Who this is does not matter here: a question and its answer came through.
    if (frame.command === "ERROR" && frame.headers.get("code") === UNAUTHORIZED) throw new Failed({ is: "works" });
    if (frame.command !== "CONNECTED") throw new Failed({ is: "foreign" });
    this.heartbeatSeconds = Number(frame.headers.get("heart-beat")?.split(",")[0] ?? 0) / 1_000;
  }

  /** One round trip: a transaction is begun, or given up, which touches nothing. */
  async roundTrip(number: number): Promise<number> {
    const began = performance.now();
    const isConfirmed = await this.#confirmed(number % 2 === 0 ? "BEGIN" : "ABORT", { transaction: "doctor" }, String(number));
    if (!isConfirmed) throw new Failed({ is: "closed" });
    return performance.now() - began;
  }

  /** Whether a last word is answered. */
  async endsWell(): Promise<boolean> {
    const isWell = await this.#confirmed("DISCONNECT", {}, "bye");
    this.leave();
    return isWell;
  }

  leave(): void {
    this.#socket.close();
  }

  /** Resolves when it is closed, or when the time is over. */
  async quietFor(ms: number): Promise<void> {
    await this.#until(() => false, ms);
  }

  async #confirmed(command: string, headers: Record<string, string>, receipt: string): Promise<boolean> {
    if (this.isClosed) return false;
    this.#send(command, { ...headers, receipt });
    return (await this.#frame())?.headers.get("receipt-id") === receipt;
  }

  #send(command: string, headers: Record<string, string>): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    this.#socket.send(`${command}\n${lines.join("")}\n\0`);
  }

  async #frame(): Promise<Frame | undefined> {
    await this.#until(() => this.#frames.length > 0);
    return this.#frames.shift();
  }

  /** Until `holds`, the end, or the time is over. */
  async #until(holds: () => boolean, ms = WITHIN_MS): Promise<void> {
    const end = performance.now() + ms;
    while (!holds() && !this.isClosed && performance.now() < end) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, end - performance.now());
      });
    }
  }

  #stirred(act: () => void): void {
    this.heardAt = performance.now();
    act();
    this.#wake?.();
  }

  /** The broker sends each frame as one message; a line end alone is a heart-beat. */
  #take(data: string): void {
    const [command = "", ...lines] = data.split("\n\n")[0]!.split("\n");
    if (command === "" || this.#frames.length >= 16) return;
    const headers = lines.map((line): [string, string] => [line.split(":")[0]!, line.slice(line.indexOf(":") + 1)]);
    this.#frames.push({ command, headers: new Map(headers) });
  }
}
