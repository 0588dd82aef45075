// What the page needs of a line to the broker, whatever it is made of.
//
// Three are made: `websocket`, `stream` and `polling`, the best first. All of them read the same log with the same
// positions, so that the page may go on with another one wherever it stands.

import type { Letter } from "./outbox.ts";
import type { Position } from "./position.ts";
import type { Start } from "./reader.ts";

/** The best first. */
export const LINES = ["websocket", "stream", "polling"] as const;

export type LineName = (typeof LINES)[number];

/** Open once, close once. */
export interface Line {
  open(): void;
  /** Only while it is open; the answer is an event that names the letter's key. */
  publish(letter: Letter): void;
  /** Nothing is said through `LineEvents` any more that matters. */
  close(): Promise<void> | void;
}

/** What a line is to bring. */
export interface Asked {
  readonly login: string;
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
  readonly takenOver: boolean;
}
