// One reader of a classroom's log, across all connections of this page.
//
// It decides what to ask for when a connection begins, drops what this page has already seen, and tells a missed
// message from a live one.

import type { Arrival } from "./lesson.ts";
import { isPassed, type Position, writePosition } from "./position.ts";

/** Who remembers the position between connections: the broker, under a durable name, or this page. */
export type Memory = "broker" | "page";

export class Reader {
  readonly #memory: Memory;
  /** The last position that this page, or an earlier visit of the same person, has seen. */
  #known: Position | "the empty log" | undefined;
  /** The last position in this page's lesson. */
  #seen: Position | undefined;
  /** What was known when the present connection began. */
  #knownThen: Position | "the empty log" | undefined;
  #visit = 0;

  constructor(memory: Memory, remembered?: Position) {
    this.#memory = memory;
    this.#known = remembered;
  }

  get visit(): number {
    return this.#visit;
  }

  /**
   * A connection begins: the headers of its SUBSCRIBE. A page that shows nothing yet reads the log from its beginning.
   * Later the broker's cursor knows the place; without one the page says what it saw last.
   */
  begin(): Record<string, string> {
    this.#visit += 1;
    this.#knownThen = this.#known;
    if (!this.#seen) return { "x-stream-offset": "first" };
    return this.#memory === "broker" ? {} : { after: writePosition(this.#seen) };
  }

  /** The broker took the SUBSCRIBE: whatever is published from now on and not shown live was missed. */
  began(): void {
    this.#known ??= "the empty log";
  }

  /** How a message came here; undefined for one that this page has seen before. */
  receive(position: Position | undefined, replayed: boolean): Arrival | undefined {
    if (!position) return { how: "live" };
    if (isPassed(position, this.#seen)) return undefined;
    this.#seen = this.#known = position;
    if (!replayed) return { how: "live" };
    return this.#wasMissed(position) ? { how: "away", visit: this.#visit } : { how: "earlier" };
  }

  #wasMissed(position: Position): boolean {
    if (this.#knownThen === undefined) return false;
    return this.#knownThen === "the empty log" || !isPassed(position, this.#knownThen);
  }
}
