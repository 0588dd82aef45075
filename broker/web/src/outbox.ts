// What this page wants published, until the broker has confirmed it.
//
// A letter keeps its key for as long as it is tried. When the connection breaks between SEND and RECEIPT nobody knows
// whether the broker has it; sent again under the same key it is stored at most once.

export interface Letter {
  readonly key: string;
  readonly destination: string;
  readonly body: string;
  readonly confirmed: (position: string | undefined) => void;
  readonly refused: (reason: string) => void;
}

/** Sends a letter on the connection of the moment; the broker's answer names the letter's key. */
export type Post = (letter: Letter) => void;

export class Outbox {
  readonly #waiting = new Map<string, Letter>();
  #post: Post | undefined;

  get waiting(): number {
    return this.#waiting.size;
  }

  put(letter: Letter): void {
    this.#waiting.set(letter.key, letter);
    this.#post?.(letter);
  }

  /** A new connection: everything unconfirmed goes out again, in the order it was written. */
  connected(post: Post): void {
    this.#post = post;
    for (const letter of this.#waiting.values()) post(letter);
  }

  disconnected(): void {
    this.#post = undefined;
  }

  confirm(key: string, position: string | undefined): void {
    this.#take(key)?.confirmed(position);
  }

  /** Whether it was a letter of ours that the broker refused for good. */
  refuse(key: string, reason: string): boolean {
    const letter = this.#take(key);
    letter?.refused(reason);
    return letter !== undefined;
  }

  #take(key: string): Letter | undefined {
    const letter = this.#waiting.get(key);
    this.#waiting.delete(key);
    return letter;
  }
}

/** A name that nobody else has. `randomUUID` exists on secure pages only, and a school's page may be plain HTTP. */
export function uniqueKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
