// The last line: long polling, and POST. Works wherever a page can be had, since every answer comes to its end.

import { HttpLine, isRefused, type Page, pause } from "./http.ts";

const WAIT_MAX_S = 25;
const WAIT_MIN_S = 1;
/** Times shorter where waiting was cut off. */
const SHORTER = 5;
/** So many questions without a cut, and a longer wait is tried again. */
const UNDISTURBED = 60;
/** Beyond the wait. */
const WITHIN_MS = 10_000;
const PAUSE_MS = 1_000;

export class PollingLine extends HttpLine {
  #waitS = WAIT_MAX_S;
  #undisturbed = 0;

  protected async read(): Promise<never> {
    let after = await this.catchUp();
    this.events.opened();
    for (;;) {
      const asked = Date.now();
      const page = await this.#ask(after);
      for (const message of page.messages) this.hand(message, false);
      after = page.position;
      // A broker that is stopping does not wait.
      if (page.messages.length === 0 && Date.now() - asked < PAUSE_MS / 2) await pause(PAUSE_MS);
    }
  }

  /** Whatever lies between may cut what is silent for long: the wait becomes shorter until it gets through. */
  async #ask(after: string): Promise<Page> {
    try {
      const page = await this.page({ after, wait: String(this.#waitS) }, 1_000 * this.#waitS + WITHIN_MS);
      this.#undisturbed += 1;
      if (this.#undisturbed >= UNDISTURBED) this.#become(this.#waitS * SHORTER);
      return page;
    } catch (error) {
      if (isRefused(error) || this.#waitS === WAIT_MIN_S) throw error;
      this.#become(this.#waitS / SHORTER);
      return this.page({ after }, WITHIN_MS);
    }
  }

  #become(waitS: number): void {
    this.#waitS = Math.min(Math.max(waitS, WAIT_MIN_S), WAIT_MAX_S);
    this.#undisturbed = 0;
  }
}
