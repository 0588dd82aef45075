// What the page needs of a line to the broker, whatever it is made of.
//
// Three are made: `websocket`, `stream` and `polling`, the best first. All of them read the same log with the same
// positions, so that the page may go on with another one wherever it stands.

import type { Letter } from "./outbox.ts";
import type { Position } from "./position.ts";
import type { Start } from "./reader.ts";
import type { Credentials } from "./session.ts";

/** The best first. */
export const LINES = ["websocket", "stream", "polling"] as const;

export type LineName = (typeof LINES)[number];

/** Open once, close once. */
export interface Line {
  open(): void;
  /** Only while it is open; the answer is an event that names the letter's key. */
  publish(letter: Letter): void;
  /** Shows a newer token in the middle of the conversation, where the line can; the answer is `renewed`. */
  renew?(token: string): void;
  /** Nothing is said through `LineEvents` any more that matters. */
  close(): Promise<void> | void;
}

/** What a line is to bring. */
export interface Asked {
  /** Who it is, where names are taken at their word. */
  readonly login: string;
  /** What shows who it is, where the broker asks. */
  readonly credentials: Credentials | undefined;
  /** The durable name, where the line has such. */
  readonly id: string;
  readonly destination: string;
  readonly durable: boolean;
  /** Who is here, where the line can say it. */
  readonly presence: string | undefined;
  /** Where to begin; asked once for each opening. `keepsPlaces`: the broker knows the place on such a line. */
  readonly begin: (keepsPlaces: boolean) => Start;
}

export interface LineEvents {
  /** The broker has answered, though not yet with what makes this line useful. */
  stirred(): void;
  /** The broker says who this is, before anything is read or sent; undefined where names are taken at their word. */
  welcomed(user: string | undefined): void;
  /** The time that the broker gives is over so soon. */
  expires(inMs: number): void;
  /** The newer token is taken, and its time is over so soon; or it is not taken. */
  renewed(isTaken: boolean, inMs?: number): void;
  /** It delivers. */
  opened(): void;
  /** From now on all is live. */
  subscribed(): void;
  received(message: Received): void;
  present(body: string): void;
  /** The broker does not say who is here. */
  unwatched(): void;
  published(key: string, position: string | undefined): void;
  /** `key` names what was refused, if it is a letter; `final` means that the same will be refused again. */
  refused(key: string, trouble: Trouble, final: boolean): void;
  closed(ending: Ending): void;
}

/** A message of a logged destination. */
export interface Received {
  readonly destination: string;
  readonly body: string;
  readonly user: string | undefined;
  /** In ms since 1970; the broker's clock. */
  readonly at: number | undefined;
  readonly position: Position | undefined;
  /** Read back from the log, not live. */
  readonly replayed: boolean;
}

export type Ending =
  /** Nobody said why. */
  | { readonly how: "cut" }
  /** Nothing came within the time that is given. */
  | { readonly how: "silent" }
  /** The broker itself said so, and may be asked again: the line is good. */
  | { readonly how: "refused" }
  /** The broker does not want this page back as it is. */
  | { readonly how: "ended"; readonly trouble: Trouble };

/** What the broker said against it. */
export interface Trouble {
  readonly message: string;
  readonly reason: string;
  readonly remedy: string;
  /** As the broker numbers what it refuses, if it does. */
  readonly code: number | undefined;
}

/** The codes of which the page knows what they mean to its user. */
export const CODE = { unauthorized: 101, denied: 103, expired: 109, takenOver: 117 } as const;

/** Whether the broker wants to know who this is, or to know it anew. */
export function asksWho({ code }: Trouble): boolean {
  return code === CODE.unauthorized || code === CODE.expired;
}
