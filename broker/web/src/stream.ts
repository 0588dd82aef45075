// The second line: an event stream, and POST. Live, over plain HTTP.
//
// The browser's own EventSource is of no use here: it calls a stream open when the head of the answer is there, and a
// proxy that keeps the rest to itself lets the head through.

import { EventReader } from "./events.ts";
import { HttpLine, type Message } from "./http.ts";

/** The broker says something every 20 s. */
const SILENT_MAX_MS = 45_000;

export class StreamLine extends HttpLine {
  protected async read(): Promise<never> {
    const after = await this.catchUp();
    return this.within(SILENT_MAX_MS, async (signal, again) => {
      const stream = (await this.stream({ after }, signal)).getReader();
      const [events, decoder] = [new EventReader(), new TextDecoder()];
      let opened = false;
      for (;;) {
        const { done, value } = await stream.read();
        if (done) throw new Error("the stream ended");
        again();
        // The broker begins a stream with a few bytes, whether or not there is a message.
        if (!opened) this.events.opened();
        opened = true;
        for (const { name, data } of events.read(decoder.decode(value, { stream: true }))) {
          if (name !== "gap") this.hand(JSON.parse(data) as Message, false);
        }
      }
    });
  }
}
