// What both lines over HTTP share: pages of the log to catch up, and publishing by POST.

import type { Asked, Ending, Line, LineEvents, Received, Trouble } from "./line.ts";
import type { Letter } from "./outbox.ts";
import { readPosition } from "./position.ts";
import type { Start } from "./reader.ts";

const PAGE_WITHIN_MS = 15_000;
const POST_WITHIN_MS = 15_000;
const POST_AGAIN_MS = 2_000;

export interface Page {
  readonly messages: readonly Message[];
  /** Behind all that was looked at. */
  readonly position: string;
  readonly more: boolean;
}

/** A message as the broker writes it in JSON. */
export interface Message {
  readonly position?: string | null;
  readonly destination: string;
  readonly time?: number;
  readonly user?: string;
  readonly body?: string;
}

/** The broker itself said no. */
class Refused extends Error {
  constructor(
    readonly trouble: Trouble,
    readonly retryable: boolean,
  ) {
    super(trouble.message);
  }
}

export abstract class HttpLine implements Line {
  protected readonly events: LineEvents;
  readonly #asked: Asked;
  readonly #gone = new AbortController();
  /** One letter at a time: so they stand in the log as they were written. */
  #posting: Promise<void> = Promise.resolve();

  constructor(asked: Asked, events: LineEvents) {
    this.#asked = asked;
    this.events = events;
  }

  open(): void {
    this.read().catch((error: unknown) => this.#isGone || this.#failed(error));
  }

  close(): void {
    this.#gone.abort();
  }

  publish(letter: Letter): void {
    this.#posting = this.#posting.then(() => this.#post(letter));
  }

  /** Reads until it fails. */
  protected abstract read(): Promise<never>;

  /** Reads all that is there, and answers behind which position to go on. */
  protected async catchUp(): Promise<string> {
    let start = this.#asked.begin(false);
    for (;;) {
      const { messages, position, more } = await this.page(startQuery(start), PAGE_WITHIN_MS);
      this.events.stirred();
      for (const message of messages) this.hand(message, true);
      if (!more) {
        this.events.subscribed();
        return position;
      }
      start = { at: "after", position };
    }
  }

  /** A page; of a log that does not have the position any more, what is still kept of it. */
  protected async page(query: Record<string, string>, withinMs: number): Promise<Page> {
    return this.within(withinMs, async (signal) => {
      const response = await this.#fetch(query, { signal });
      if (response.status === 410) {
        const { kept } = (await response.json()) as { kept: { after: string }[] };
        return { messages: [], position: kept[0]!.after, more: true };
      }
      await check(response);
      return (await response.json()) as Page;
    });
  }

  protected async stream(query: Record<string, string>, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetch({ ...query, as: "message" }, { signal, headers: { Accept: "text/event-stream" } });
    await check(response);
    if (!response.body) throw new Error("an answer without a body");
    return response.body;
  }

  protected hand({ destination, body, user, time, position }: Message, replayed: boolean): void {
    const received: Received = {
      destination,
      body: body ?? "",
      user,
      at: time,
      position: readPosition(position ?? undefined),
      replayed,
    };
    this.events.received(received);
  }

  /** Gives up when the time is over, or the line is closed. `again` counts the time anew. */
  protected async within<T>(ms: number, work: (signal: AbortSignal, again: () => void) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    let timer = setTimeout(stop, ms);
    const again = (): void => {
      clearTimeout(timer);
      timer = setTimeout(stop, ms);
    };
    if (this.#isGone) stop();
    this.#gone.signal.addEventListener("abort", stop);
    try {
      return await work(abort.signal, again);
    } finally {
      clearTimeout(timer);
      this.#gone.signal.removeEventListener("abort", stop);
    }
  }

  get #isGone(): boolean {
    return this.#gone.signal.aborted;
  }

  /** Until the broker has it or does not want it: always with the same key, so that it is stored once. */
  async #post({ key, destination, body }: Letter): Promise<void> {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    while (!this.#isGone) {
      try {
        const position = await this.within(POST_WITHIN_MS, async (signal) => {
          const response = await this.#fetch({}, { method: "POST", body, headers, signal }, destination);
          await check(response);
          return ((await response.json()) as { position: string | null }).position;
        });
        return this.#isGone ? undefined : this.events.published(key, position ?? undefined);
      } catch (error) {
        if (error instanceof Refused && !this.#isGone) this.events.refused(key, error.trouble, !error.retryable);
        if (error instanceof Refused && !error.retryable) return;
        await pause(POST_AGAIN_MS);
      }
    }
  }

  #fetch(query: Record<string, string>, init: RequestInit, destination = this.#asked.destination): Promise<Response> {
    const headers = { ...init.headers, Authorization: basic(this.#asked.login) };
    const address = `/v1/messages?${new URLSearchParams({ destination, ...query })}`;
    return fetch(address, { ...init, headers, cache: "no-store", credentials: "omit" });
  }

  #failed(error: unknown): void {
    if (error instanceof Refused && error.retryable) this.events.refused("", error.trouble, false);
    this.events.closed(endingOf(error));
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function isRefused(error: unknown): boolean {
  return error instanceof Refused;
}

function endingOf(error: unknown): Ending {
  if (!(error instanceof Refused)) return { how: "cut" };
  return error.retryable ? { how: "refused" } : { how: "ended", trouble: error.trouble };
}

/** Only a problem document is the broker's word; whatever else is wrong may come from something between. */
async function check(response: Response): Promise<void> {
  if (response.ok) return;
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) {
    throw new Error(`answered with ${response.status}`);
  }
  const { title, detail, remedy, retryable } = (await response.json()) as Record<string, unknown>;
  const trouble = { message: text(title), reason: text(detail), remedy: text(remedy), takenOver: false };
  throw new Refused(trouble, retryable === true);
}

function startQuery(start: Start): Record<string, string> {
  return start.at === "after" ? { after: start.position } : { from: "first" };
}

/** RFC 7617, in UTF-8. */
function basic(login: string): string {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${login}:`)))}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
