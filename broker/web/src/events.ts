// Reads `text/event-stream` (WHATWG, Server-sent events) as it comes, in pieces of any size.

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

export class EventReader {
  #rest = "";
  #name = "";
  #data: string[] = [];

  /** The events that are whole with this piece. One without data is none. */
  read(piece: string): StreamEvent[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#take(line.replace(/\r$/, "")) ?? []);
  }

  #take(line: string): StreamEvent | undefined {
    if (line === "") return this.#dispatch();
    const [, field, value] = /^([^:]*)(?::\s?(.*))?$/s.exec(line)!;
    if (field === "event") this.#name = value ?? "";
    if (field === "data") this.#data.push(value ?? "");
    return undefined;
  }

  #dispatch(): StreamEvent | undefined {
    const event = { name: this.#name || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    [this.#name, this.#data] = ["", []];
    return isEmpty ? undefined : event;
  }
}
