// The doors, tried one after the other, and connections on which nothing is said.

import { ask, doorOf, Failed, pause, serverTime, text, WITHIN_MS, within } from "./asking.ts";
import { Conversation } from "./conversation.ts";
import { type Door, type Quiet, UNTRIED, works } from "./measurements.ts";

const SAMPLES = 10;
/** What is late by much would take too long for ten. */
const SLOW_SAMPLES = 5;
/** Two answers within the same millisecond could not be told apart. */
const BETWEEN_MS = 20;
/** Events that are said over so long come over so long, or a part of it on a bad line; what was held back comes at once. */
const TICKS_SECONDS = 2;
const SPREAD_MIN_MS = TICKS_SECONDS * 250;
const WAIT_SECONDS = 3;
const SHORT_WAIT_SECONDS = 0.1;
const BODY = '{"doctor":"Ä quiz, <b>100 %</b>"}';
/** What another server, or a sign-in page, answers. */
const STRANGE = [401, 404, 405, 511];
/** What answers for a broker that seems to be gone. */
const GATEWAYS = [408, 502, 504];

export interface Clocked {
  readonly door: Door;
  readonly clockAheadSeconds?: number;
}

export async function shortPolling(): Promise<Clocked> {
  const [trips, times]: [number[], number[]] = [[], []];
  let best = { trip: Infinity, ahead: 0 };
  try {
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const [began, sentAt] = [performance.now(), Date.now()];
      const time = serverTime(await text("/v1/time"));
      if (time === undefined) return { door: { is: "foreign" } };
      const trip = performance.now() - began;
      // The quickest answer says best what time it was.
      if (trip < best.trip) best = { trip, ahead: (time - sentAt - trip / 2) / 1_000 };
      trips.push(trip);
      times.push(time);
      await pause(BETWEEN_MS);
    }
  } catch (error) {
    const door = doorOf(error);
    // A browser shows no status of an answer that leads elsewhere.
    const isStrange = door.status === undefined || door.status < 400 || STRANGE.includes(door.status);
    return { door: door.is === "refused" && isStrange ? { ...door, is: "foreign" } : door };
  }
  if (times.some((time, place) => time === times[place - 1])) return { door: { is: "cached" } };
  return { door: works(trips), clockAheadSeconds: best.ahead };
}

export async function websocket(): Promise<{ door: Door; heartbeatSeconds?: number }> {
  try {
    const conversation = await Conversation.open(0);
    const trips: number[] = [];
    while (trips.length < SAMPLES) trips.push(await conversation.roundTrip(trips.length));
    await conversation.endsWell();
    return { door: works(trips), heartbeatSeconds: conversation.heartbeatSeconds };
  } catch (error) {
    return { door: doorOf(error) };
  }
}

/** With the browser's own EventSource: said one after the other, do events come one after the other? */
export async function events(): Promise<Door> {
  try {
    const came = await ticks(TICKS_SECONDS);
    if (came.at(-1)! - came[0]! < SPREAD_MIN_MS) return { is: "buffered" };
    const trips: number[] = [];
    while (trips.length < SLOW_SAMPLES) trips.push((await ticks(0))[0]!);
    return works(trips);
  } catch (error) {
    return doorOf(error);
  }
}

/** When each came, in ms since it was asked for. */
async function ticks(seconds: number): Promise<number[]> {
  const path = `/v1/doctor/ticks?seconds=${seconds}`;
  const began = performance.now();
  const source = new EventSource(path);
  const came: number[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, WITHIN_MS + 1_000 * seconds);
      source.onerror = () => resolve();
      source.addEventListener("tick", () => {
        came.push(performance.now() - began);
        if (came.length > seconds) resolve();
      });
    });
  } finally {
    clearTimeout(timer);
    source.close();
  }
  if (came.length > seconds) return came;
  const isLate = performance.now() - began >= WITHIN_MS + 1_000 * seconds;
  if (isLate) throw new Failed({ is: "silent" });
  // An EventSource does not say why it failed; a plain question does.
  if (came.length === 0) await text("/v1/doctor/ticks?seconds=0");
  throw new Failed({ is: "cut" });
}

/** Long polling: an answer that comes when it should, and the same a little late, again and again. */
export async function longPolling(): Promise<Door> {
  const trips: number[] = [];
  for (const wait of [WAIT_SECONDS, ...Array<number>(SLOW_SAMPLES).fill(SHORT_WAIT_SECONDS)]) {
    const began = performance.now();
    const took = (): number => performance.now() - began;
    try {
      const body = await text(`/v1/doctor/wait?seconds=${wait}`, 1_000 * wait + WITHIN_MS);
      if (serverTime(body) === undefined) throw new Failed({ is: "foreign" });
      trips.push(Math.max(took() - 1_000 * wait, 0));
    } catch (error) {
      const door = doorOf(error);
      // Whatever answers instead of the broker when it is late has cut the wait.
      const isCut = door.is === "cut" || (took() > 500 * wait && (door.is === "refused" || door.is === "foreign"));
      return isCut ? { ...door, is: "cut", after_seconds: took() / 1_000 } : door;
    }
  }
  return works(trips);
}

/** Does a body arrive as it was sent? */
export async function publishing(): Promise<Door> {
  const trips: number[] = [];
  try {
    while (trips.length < SAMPLES) {
      const began = performance.now();
      const body = await text("/v1/doctor/echo", WITHIN_MS, { method: "POST", body: BODY });
      if (body !== BODY) return { is: "altered" };
      trips.push(performance.now() - began);
    }
  } catch (error) {
    return doorOf(error);
  }
  return works(trips);
}

/** A WebSocket on which nothing is said. */
export async function quietWebSocket(seconds: number): Promise<Quiet> {
  let conversation: Conversation;
  try {
    conversation = await Conversation.open(1_000 * seconds);
  } catch {
    return UNTRIED;
  }
  const { heardAt } = conversation;
  await conversation.quietFor(1_000 * seconds);
  const silence = (performance.now() - heardAt) / 1_000;
  if (conversation.isClosed) return { is: "cut", seconds: silence };
  // What was given up by something on the way looks open until the next word.
  return { is: (await conversation.endsWell()) ? "open" : "lost", seconds: silence };
}

/** An answer over HTTP in which nothing is said. */
export async function quietHttp(seconds: number): Promise<Quiet> {
  let heardAt = performance.now();
  try {
    return await within(1_000 * seconds + WITHIN_MS, async (signal) => {
      const response = await ask(`/v1/doctor/quiet?seconds=${seconds}`, signal);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let came = ""; came.length < 4_096; ) {
        const { done, value } = await reader.read();
        if (done) break;
        came += value;
        if (came.includes("event: end\n")) return { is: "open", seconds };
        heardAt = performance.now();
      }
      return { is: "cut", seconds: (performance.now() - heardAt) / 1_000 };
    });
  } catch (error) {
    const { is, status } = doorOf(error);
    if (is === "silent") return { is: "lost", seconds };
    const isCut = is === "cut" || (status !== undefined && GATEWAYS.includes(status));
    return isCut ? { is: "cut", seconds: (performance.now() - heardAt) / 1_000 } : UNTRIED;
  }
}
