// One reader of a classroom's log, across all connections of this page.
//
// It decides what to ask for when a connection begins, drops what this page has already seen, and tells a missed
// message from a live one.

import type { Arrival } from "./lesson.ts";
import { isPassed, type Position, writePosition } from "./position.ts";

/** Who remembers the position between connections: the broker, under a durable name, or this page. */
export type Memory = "broker" | "page";

/** Where a line begins to read. */
export type Start =
  | { readonly at: "first" }
  /** Where the broker knows that this reader is. */
  | { readonly at: "kept" }
  | { readonly at: "after"; readonly position: string };

export class Reader {
  #memory: Memory;
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
   * A connection begins. A page that shows nothing yet reads the log from its beginning. Later the broker's cursor
   * knows the place; without one the page says what it saw last. A line that keeps no places leaves the cursor behind,
   * so from then on the page's own word counts.
   */
  begin(keepsPlaces: boolean): Start {
    this.#visit += 1;
    this.#knownThen = this.#known;
    if (!keepsPlaces) this.#memory = "page";
    if (!this.#seen) return { at: "first" };
    return this.#memory === "broker" ? { at: "kept" } : { at: "after", position: writePosition(this.#seen) };
  }

  /** The broker has begun: whatever is published from now on and not shown live was missed. */
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
