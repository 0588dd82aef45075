// What a student's browser remembers between visits: the last message seen, and the own answers with their receipts.

import { type Position, readPosition, writePosition } from "./position.ts";

const ANSWERS_MAX = 200;

export interface Confirmed {
  readonly option: number;
  readonly position: string;
}

export class Notebook {
  readonly #shelf: string;
  readonly #answers: Map<string, Confirmed>;
  readonly seen: Position | undefined;

  constructor(classroom: string, name: string) {
    this.#shelf = `homeroom/${encodeURIComponent(classroom)}/${encodeURIComponent(name)}`;
    this.seen = readPosition(load(`${this.#shelf}/seen`));
    this.#answers = new Map(readEntries(load(`${this.#shelf}/answers`)));
  }

  note(position: Position): void {
    save(`${this.#shelf}/seen`, writePosition(position));
  }

  answer(question: string): Confirmed | undefined {
    return this.#answers.get(question);
  }

  noteAnswer(question: string, confirmed: Confirmed): void {
    this.#answers.set(question, confirmed);
    save(`${this.#shelf}/answers`, JSON.stringify([...this.#answers].slice(-ANSWERS_MAX)));
  }
}

function readEntries(text: string | undefined): [string, Confirmed][] {
  try {
    const entries: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}

/** Storage may be forbidden or full; the lesson goes on without it. */
export function load(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function save(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Only comfort is lost.
  }
}
