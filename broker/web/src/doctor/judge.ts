// From measurements to findings. Pure, and the same rules as in `src/commands/doctor/judge.rs`: the cases in
// `cases.json` hold both to it.

import { anyWorks, type Door, type Measurements, type Outcome, reading, type Tls } from "./measurements.ts";
import type { FindingId } from "./words.ts";

/** One thing to be said, by its name in `words.json`, and what stands in its blanks. */
export interface Finding {
  readonly id: FindingId;
  readonly blanks: Readonly<Record<string, string>>;
}

/** Heart-beats keep a connection if they come well before it is cut. */
const MARGIN = 1.5;
/** Over HTTP the broker says something at least every 25 s. */
const HTTP_SPEAKS_SECONDS = 25;
const SLOW_MS = 1_000;
const CLOCK_SECONDS = 5;

type Say = (id: FindingId, blanks?: Record<string, string>) => void;

/** What is to be said, the most important first; never nothing. */
export function judge(measured: Measurements): Finding[] {
  const { url, host, port, proxy_variable: variable, given_up_seconds: after } = measured;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const found: Finding[] = [];
  const say: Say = (id, blanks = {}) => found.push({ id, blanks: { url, host, port: String(port), authority, ...blanks } });
  if (measured.reach === "unknown_name") say("unknown-name");
  else if (measured.reach === "no_answer") say("unreachable");
  else if (measured.reach === "no_tls") judgeTls(measured.tls ?? { is: "closed" }, say);
  else if (measured.reach === "only_tls") say("only-tls");
  else judgeDoors(measured, say);
  if (after !== undefined) say("given-up", { seconds: seconds(after) });
  if (found.length === 0) say("all-well");
  if (variable) say("proxy-unused", { variable });
  return found;
}

function judgeTls({ is, certificate, reason = "" }: Tls, say: Say): void {
  if (is === "works") return;
  if (is === "untrusted" && certificate) say("certificate-untrusted", { issuer: certificate.issuer });
  else if (is === "wrong_name" && certificate) say("certificate-wrong-name", { names: certificate.names });
  else if (is === "untimely" && certificate) say("certificate-untimely", { from: certificate.from, until: certificate.until });
  else if (is === "plain") say("tls-unknown");
  else if (is === "refused") say("tls-refused", { reason });
  else if (is === "closed") say("tls-closed");
  else if (is === "silent") say("tls-silent");
  else say("certificate-unusable", { reason });
}

function judgeDoors(measured: Measurements, say: Say): void {
  const { doors } = measured;
  const any = (outcome: Outcome): boolean => Object.values(doors).some(({ is }) => is === outcome);
  if (doors.short_polling.is === "foreign" && doors.websocket.is !== "works") return say("not-homeroom");
  // Whatever else was refused was refused for the same reason.
  if (any("turned_away")) return say("origin-refused");
  if (any("busy")) say("busy");
  else if (!anyWorks(doors) && measured.given_up_seconds === undefined) return say("nothing-works");
  judgeWebSocket(doors.websocket, say);
  judgeHttp(measured, say);
  judgeQuiet(measured, say);
  judgeLine(measured, say);
}

function judgeWebSocket({ is }: Door, say: Say): void {
  if (is === "refused" || is === "foreign" || is === "cut") say("websocket-refused");
  if (is === "closed") say("websocket-closed");
  if (is === "silent") say("websocket-silent");
}

function judgeHttp({ doors, quiet }: Measurements, say: Say): void {
  const { events, long_polling: polling, short_polling: plain, publishing } = doors;
  if (plain.is === "cached") say("answers-cached");
  else if (fails(plain)) say("requests-blocked");
  if (events.is === "buffered") say("events-buffered");
  else if (fails(events)) say("events-blocked");
  const after = polling.is === "cut" ? polling.after_seconds : undefined;
  // What does not let silence be does not let anybody wait: that is said below, with the time.
  const noSilence = (polling.is === "cut" || polling.is === "silent") && (quiet.http.is === "cut" || quiet.http.is === "lost");
  if (after !== undefined && !noSilence) say("polling-cut", { seconds: seconds(after) });
  else if (fails(polling) && !noSilence) say("polling-blocked");
  if (fails(publishing)) say("post-blocked");
}

function fails({ is }: Door): boolean {
  return is !== "works" && is !== "busy" && is !== "untried";
}

function judgeQuiet({ quiet, heartbeat_seconds: heartbeat = 0 }: Measurements, say: Say): void {
  const { websocket, http } = quiet;
  if (websocket.is === "cut" && (heartbeat === 0 || websocket.seconds <= heartbeat * MARGIN)) {
    say("websocket-quiet-cut", { seconds: seconds(websocket.seconds), ...half(websocket.seconds) });
  }
  if (websocket.is === "lost") say("websocket-quiet-lost", { seconds: seconds(websocket.seconds) });
  if (http.is === "cut" && http.seconds <= HTTP_SPEAKS_SECONDS) {
    const wait = String(Math.max(Math.floor(http.seconds / 2), 1));
    say("http-quiet-cut", { seconds: seconds(http.seconds), ...half(http.seconds), wait });
  }
  if (http.is === "lost") say("http-quiet-lost", { seconds: seconds(http.seconds) });
}

function judgeLine({ doors, clock_ahead_seconds: ahead = 0 }: Measurements, say: Say): void {
  const trip = reading(doors).find(({ is }) => is === "works")?.round_trip_ms;
  if (trip && trip.median > SLOW_MS) say("slow", { milliseconds: String(Math.round(trip.median)) });
  if (Math.abs(ahead) > CLOCK_SECONDS) say("clock-wrong", { seconds: seconds(Math.abs(ahead)) });
}

/** `2.5 s`, and whole from 10 on. */
export function seconds(seconds: number): string {
  return `${short(seconds)} s`;
}

/** One digit behind the point below 10, none from there on. */
export function short(number: number): number {
  const tenths = Math.round(number * 10) / 10;
  return tenths < 10 ? tenths : Math.round(number);
}

/** Half of a time, rounded down: as a setting, and in milliseconds. */
function half(seconds: number): { interval: string; milliseconds: string } {
  const half = seconds * 500;
  const step = half < 1_000 ? 100 : 1_000;
  const milliseconds = Math.max(Math.floor(half / step) * step, 100);
  const interval = milliseconds < 1_000 ? `${milliseconds}ms` : `${milliseconds / 1_000}s`;
  return { interval, milliseconds: String(milliseconds) };
}
