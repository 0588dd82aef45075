// Which line next, and when. Pure: it is told what happened and answers with what to do.
//
// | What happened | What is next |
// | --- | --- |
// | twice not opened, or cut soon after | the next line, at once |
// | silent for as long as is given | the next line, at once |
// | open for a while, then cut | the same again |
// | the broker refused, with a reason | the same again, later and later |
// | not even a page could be had by HTTP | no line's fault: the one that worked last and the WebSocket in turns, later and later |
//
// Now and then a better line is tried beside the one in use. If it does not hold, the page goes back to where it was,
// and tries more seldom.

import { type Ending, type LineName, LINES } from "./line.ts";

/** A line that is not useful after this time is given up. */
export const OPEN_WITHIN_MS = 5_000;
/** The same where the network is so slow that no line was in time. */
export const OPEN_WITHIN_MAX_MS = 40_000;
/** A line that held for so long was not cut at once. */
export const STEADY_MS = 10_000;
export const AGAIN_FIRST_MS = 1_000;
export const AGAIN_MAX_MS = 30_000;
export const BETTER_FIRST_MS = 30_000;
export const BETTER_MAX_MS = 600_000;

const STRIKES_MAX = 2;

/** One opening of a line, when it is over. */
export interface Past {
  /** The broker answered through it. */
  readonly stirred: boolean;
  /** For how long it was useful; undefined if it never was. */
  readonly openForMs: number | undefined;
}

export class Choice {
  #line: LineName = "websocket";
  #strikes = 0;
  /** How often in a row there was reason to wait. */
  #tries = 0;
  #openWithinMs = OPEN_WITHIN_MS;
  /** The line that worked last. */
  #proven: LineName | undefined;
  /** The line that was left for a better one, which has not held yet. */
  #left: LineName | undefined;
  #trials = 0;
  #betterAfter = BETTER_FIRST_MS;

  /** To be opened, or open. */
  get line(): LineName {
    return this.#line;
  }

  /** How long a line may take until it is useful. */
  get openWithinMs(): number {
    return this.#openWithinMs;
  }

  opened(): void {
    this.#proven = this.#line;
    this.#openWithinMs = OPEN_WITHIN_MS;
  }

  /** Everything asked for was granted. Before that, being open proves little. */
  granted(): void {
    this.#tries = 0;
  }

  /** The line is gone. Answers in how many milliseconds to open `line`, which may be another one. */
  closed(how: Exclude<Ending["how"], "ended">, { stirred, openForMs }: Past): number {
    if (how === "refused") return this.#wait();
    if (openForMs !== undefined && openForMs >= STEADY_MS) {
      if (this.#left) this.#betterAfter = BETTER_FIRST_MS;
      this.#go(this.#line);
      return this.#wait();
    }
    if (!stirred && this.#line !== "websocket") {
      if (how === "silent") this.#openWithinMs = Math.min(2 * this.#openWithinMs, OPEN_WITHIN_MAX_MS);
      this.#go(this.#line === this.#proven ? "websocket" : (this.#proven ?? "websocket"));
      return this.#wait();
    }
    this.#strikes += how === "silent" ? STRIKES_MAX : 1;
    if (this.#strikes < STRIKES_MAX) return this.#wait();
    const next = this.#left ?? LINES[LINES.indexOf(this.#line) + 1];
    if (this.#left) this.#moreSeldom();
    if (!next) return this.#wait();
    this.#go(next);
    return 0;
  }

  /** The better line to try beside this one, and after how many milliseconds. */
  better(): { readonly line: LineName; readonly afterMs: number } | undefined {
    const better = LINES.slice(0, LINES.indexOf(this.#line));
    const line = better[this.#trials % better.length];
    return line && { line, afterMs: this.#betterAfter };
  }

  betterFailed(): void {
    this.#trials += 1;
    this.#moreSeldom();
  }

  /** The better line is open. It has to hold: cut soon, it is left at once. */
  climbed(line: LineName): void {
    const left = this.#line;
    this.#go(line);
    this.#left = left;
    this.#strikes = STRIKES_MAX - 1;
    this.#trials += 1;
  }

  #go(line: LineName): void {
    this.#line = line;
    this.#left = undefined;
    this.#strikes = 0;
  }

  #moreSeldom(): void {
    this.#betterAfter = Math.min(2 * this.#betterAfter, BETTER_MAX_MS);
  }

  #wait(): number {
    this.#tries += 1;
    return Math.min(AGAIN_FIRST_MS * 2 ** (this.#tries - 1), AGAIN_MAX_MS);
  }
}
