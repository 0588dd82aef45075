// What the connection needs of the browser: lines, time, and whether somebody is writing.

import type { Asked, Line, LineEvents, LineName } from "./line.ts";
import { PollingLine } from "./polling.ts";
import { StreamLine } from "./stream.ts";
import { WebSocketLine } from "./websocket.ts";

export type Stop = () => void;

export interface World {
  line(name: LineName, asked: Asked, events: LineEvents): Line;
  /** In ms; only differences count. */
  now(): number;
  after(ms: number, act: () => void): Stop;
  /** Nobody is writing. */
  isCalm(): boolean;
}

const MADE_OF = { websocket: WebSocketLine, stream: StreamLine, polling: PollingLine };

export const browser: World = {
  line: (name, asked, events) => new MADE_OF[name](asked, events),
  now: () => performance.now(),
  after: (ms, act) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  isCalm: () => !document.activeElement?.matches("input, textarea"),
};
