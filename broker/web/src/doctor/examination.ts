// One run of all probes, with what is known so far.

import { pause } from "./asking.ts";
import { anyWorks, type DoorName, type Measurements, type Quiet, UNTRIED } from "./measurements.ts";
import * as probes from "./probes.ts";

const SETTLED_MS = 500;

/** What is being tried; a door, or what comes after them. */
export type Step = DoorName | "quiet" | "done";

export interface Progress {
  readonly measured: Measurements;
  readonly step: Step;
  /** When the step was begun, by `performance.now()`. */
  readonly since: number;
}

/** Tries the doors one after the other, and at the end quiet connections side by side. */
export async function examine(idleSeconds: number, show: (progress: Progress) => void): Promise<Measurements> {
  let measured = nothingYet();
  let since = performance.now();
  const step = (step: Step, more: Partial<Measurements> = {}): void => {
    measured = { ...measured, ...more };
    since = performance.now();
    show({ measured, step, since });
  };
  const quiet = async (line: "websocket" | "http", probe: Promise<Quiet>): Promise<void> => {
    const is = await probe;
    measured = { ...measured, quiet: { ...measured.quiet, [line]: is } };
    show({ measured, step: "quiet", since });
  };
  const door = (name: DoorName, is: Measurements["doors"][DoorName]) => ({ ...measured.doors, [name]: is });

  step("short_polling");
  // A page that is still being drawn answers late.
  await pause(SETTLED_MS);
  const plain = await probes.shortPolling();
  step("websocket", { doors: door("short_polling", plain.door), clock_ahead_seconds: plain.clockAheadSeconds });
  const websocket = await probes.websocket();
  step("events", { doors: door("websocket", websocket.door), heartbeat_seconds: websocket.heartbeatSeconds });
  step("long_polling", { doors: door("events", await probes.events()) });
  step("publishing", { doors: door("long_polling", await probes.longPolling()) });
  step("quiet", { doors: door("publishing", await probes.publishing()) });
  if (anyWorks(measured.doors)) {
    const [websocket, http] = [probes.quietWebSocket(idleSeconds), probes.quietHttp(idleSeconds)];
    await Promise.all([quiet("websocket", websocket), quiet("http", http)]);
  }
  step("done");
  return measured;
}

function nothingYet(): Measurements {
  const { origin, hostname, port, protocol } = location;
  return {
    url: origin,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (protocol === "https:" ? 443 : 80),
    reach: "reached",
    doors: { websocket: UNTRIED, events: UNTRIED, long_polling: UNTRIED, short_polling: UNTRIED, publishing: UNTRIED },
    quiet: { websocket: UNTRIED, http: UNTRIED },
  };
}
