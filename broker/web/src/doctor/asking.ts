// Questions over HTTP, each with its time, and what becomes of those that are not answered as hoped.

import type { Door } from "./measurements.ts";

/** To have an answer that is not late on purpose. */
export const WITHIN_MS = 5_000;

/** 103, 106 and 108 are the broker's numbers. */
const TURNED_AWAY = 103;
const BUSY = [106, 108];

/** An answer that is not the one hoped for. */
export class Failed extends Error {
  constructor(readonly door: Door) {
    super(door.is);
  }
}

/** A whole answer of status 200. */
export async function text(path: string, withinMs = WITHIN_MS, init: RequestInit = {}): Promise<string> {
  return within(withinMs, async (signal) => {
    const response = await ask(path, signal, init);
    return response.text();
  });
}

/** The head of an answer of status 200. What lies between decides whether it is kept: nothing is said about caches. */
export async function ask(path: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { ...init, signal, credentials: "omit", redirect: "manual" });
  if (response.status === 200) return response;
  throw new Failed(await refused(response));
}

/** Does `work`, and gives up when its time is over. */
export async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, ms);
  try {
    return await work(abort.signal);
  } catch (error) {
    throw isLate ? new Failed({ is: "silent" }) : error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** What a question came to that had no answer as hoped. */
export function doorOf(error: unknown): Door {
  return error instanceof Failed ? error.door : { is: "cut" };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function serverTime(body: string): number | undefined {
  try {
    const { server_time: time } = JSON.parse(body) as { server_time?: unknown };
    return typeof time === "number" ? time : undefined;
  } catch {
    return undefined;
  }
}

async function refused(response: Response): Promise<Door> {
  const status = response.status || undefined;
  const isProblem = response.headers.get("content-type") === "application/problem+json";
  const { code } = isProblem ? ((await response.json()) as { code?: number }) : {};
  if (code === TURNED_AWAY) return { is: "turned_away", status };
  return { is: code !== undefined && BUSY.includes(code) ? "busy" : "refused", status };
}
