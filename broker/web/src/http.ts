// What both lines over HTTP share: pages of the log to catch up, and publishing by POST.

import { type Asked, asksWho, CODE, type Ending, type Line, type LineEvents, type Received, type Trouble } from "./line.ts";
import type { Letter } from "./outbox.ts";
import { readPosition } from "./position.ts";
import type { Start } from "./reader.ts";
import { authorization, type Credentials } from "./session.ts";

const PAGE_WITHIN_MS = 15_000;
const POST_WITHIN_MS = 15_000;
const POST_AGAIN_MS = 2_000;
/** A broker where nobody has to show who they are has no tickets. */
const NO_TICKETS = 404;

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

/** What the broker says of whoever shows who they are. */
interface Ticket {
  /** Lets them in once, where no header is sent. */
  readonly ticket: string;
  readonly user?: string;
  /** In seconds; absent if their time has no end. */
  readonly signed_in_for?: number;
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
  /** What shows who asks, where the broker wants to know. */
  #credentials: Credentials | undefined;
  /** The one that came with the welcome, until it is used: a user has few at a time. */
  #ticket: string | undefined;
  readonly #gone = new AbortController();
  /** One letter at a time: so they stand in the log as they were written. */
  #posting: Promise<void> = Promise.resolve();

  constructor(asked: Asked, events: LineEvents) {
    this.#asked = asked;
    this.#credentials = asked.credentials;
    this.events = events;
  }

  open(): void {
    this.#enter().catch((error: unknown) => this.#isGone || this.#failed(error));
  }

  close(): void {
    this.#gone.abort();
  }

  publish(letter: Letter): void {
    this.#posting = this.#posting.then(() => this.#post(letter));
  }

  /** First the broker says who this is: nothing is read or sent under the name of somebody else. */
  async #enter(): Promise<never> {
    if (this.#credentials) {
      const said = await this.#askForTicket();
      this.#ticket = said?.ticket;
      this.events.welcomed(said?.user);
      if (said?.signed_in_for !== undefined) this.events.expires(1_000 * said.signed_in_for);
      if (this.#isGone) throw new Error("left");
    }
    return this.read();
  }

  /** Undefined where nobody has to show who they are. */
  async #askForTicket(): Promise<Ticket | undefined> {
    return this.within(PAGE_WITHIN_MS, async (signal) => {
      const response = await this.#send("/v1/tickets", { method: "POST", signal });
      if (response.status === NO_TICKETS) return (this.#credentials = undefined);
      await check(response);
      return (await response.json()) as Ticket;
    });
  }

  /** Reads until it fails. */
  protected abstract read(): Promise<never>;

  /** Reads all that is there, and answers behind which position to go on. */
  protected async catchUp(): Promise<string> {
    let start = this.#asked.begin(false);
    for (;;) {
      const ticket: Record<string, string> = this.#ticket === undefined ? {} : { ticket: this.#ticket };
      this.#ticket = undefined;
      const { messages, position, more } = await this.page({ ...startQuery(start), ...ticket }, PAGE_WITHIN_MS);
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
      await check(response, "ticket" in query);
      return (await response.json()) as Page;
    });
  }

  protected async stream(query: Record<string, string>, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const said = this.#credentials && (await this.#askForTicket());
    const all = { ...query, as: "message", ...(said && { ticket: said.ticket }) };
    const response = await this.#fetch(all, { signal, headers: { Accept: "text/event-stream" } });
    await check(response, "ticket" in all);
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
        // Sent again once it is known again who this is.
        if (error instanceof Refused && asksWho(error.trouble)) return this.#isGone ? undefined : this.#failed(error);
        if (error instanceof Refused && !this.#isGone) this.events.refused(key, error.trouble, !error.retryable);
        if (error instanceof Refused && !error.retryable) return;
        await pause(POST_AGAIN_MS);
      }
    }
  }

  #fetch(query: Record<string, string>, init: RequestInit, destination = this.#asked.destination): Promise<Response> {
    return this.#send(`/v1/messages?${new URLSearchParams({ destination, ...query })}`, init, "ticket" in query);
  }

  #send(address: string, init: RequestInit, hasTicket = false): Promise<Response> {
    const headers = new Headers(init.headers);
    const shown = hasTicket ? undefined : authorization(this.#asked.login, this.#credentials);
    if (shown !== undefined) headers.set("Authorization", shown);
    const credentials = !hasTicket && this.#credentials?.by === "cookie" ? "same-origin" : "omit";
    return fetch(address, { ...init, headers, cache: "no-store", credentials });
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
async function check(response: Response, hadTicket = false): Promise<void> {
  if (response.ok) return;
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) {
    throw new Error(`answered with ${response.status}`);
  }
  const { title, detail, remedy, retryable, code } = (await response.json()) as Record<string, unknown>;
  const number = typeof code === "number" ? code : undefined;
  // Perhaps only the ticket was too old; whoever asks for the next one is told what is true.
  if (hadTicket && number === CODE.unauthorized) throw new Error("the ticket was refused");
  const trouble = { message: text(title), reason: text(detail), remedy: text(remedy), code: number };
  throw new Refused(trouble, retryable === true);
}

function startQuery(start: Start): Record<string, string> {
  return start.at === "after" ? { after: start.position } : { from: "first" };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
