// Findings and measurements in plain words, which are those of `homeroom doctor`.

import type { Finding } from "./judge.ts";
import { seconds, short } from "./judge.ts";
import { type Door, type DoorName, DOORS, type Measurements, type Quiet, type Tls } from "./measurements.ts";
import words from "./words.json";

export type FindingId = keyof typeof words.findings;

/** One finding as people read it. */
export interface Said {
  readonly id: FindingId;
  readonly what: string;
  readonly set: readonly string[];
  readonly ask: readonly string[];
}

export const { headings } = words;

/** A finding with its blanks filled in. */
export function said({ id, blanks }: Finding): Said {
  const { what, set, ask } = words.findings[id];
  const fill = (text: string): string => filled(text, blanks);
  return { id, what: fill(what), set: set.map(fill), ask: ask.map(fill) };
}

/** All of it as plain text, for people and for those whom they ask. */
export function report(measured: Measurements, findings: readonly Said[]): string {
  const { url, doors, quiet, reach, tls } = measured;
  const lines = [filled(headings.title, { url }), ""];
  if (reach === "reached") {
    if (tls) lines.push(headings.tls, handshake(tls), "");
    lines.push(headings.doors, ...DOORS.map((name) => row(doorName(name), outcome(doors[name]))), "");
    lines.push(headings.quiet, row("WebSocket", held(quiet.websocket)), row("HTTP", held(quiet.http)), "");
  }
  lines.push(headings.findings);
  findings.forEach(({ what, set, ask }, place) => {
    lines.push(`${place + 1}. ${what}`);
    lines.push(...set.map((text) => `   ${headings.set} ${text}`), ...ask.map((text) => `   ${headings.ask} ${text}`));
  });
  return lines.join("\n");
}

export function doorName(name: DoorName): string {
  return words.doors[name];
}

export function outcome({ is, round_trip_ms: trip, status }: Door): string {
  const text = words.outcomes[is];
  if (is === "works" && trip) return `${text}, ${short(trip.median)} ms, ${short(trip.worst)} ms`;
  return status === undefined ? text : `${text} (${status})`;
}

export function held(quiet: Quiet): string {
  return filled(words.quiet[quiet.is], { seconds: seconds(quiet.is === "untried" ? 0 : quiet.seconds) });
}

function handshake({ version = "", http = "", certificate }: Tls): string {
  return row(version, filled(words.tls, { http, issuer: certificate?.issuer ?? "", until: certificate?.until ?? "" }));
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(16)}${text}`;
}

/** `{name}` becomes what stands in its blank. */
function filled(text: string, blanks: Readonly<Record<string, string>>): string {
  return Object.entries(blanks).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, () => value), text);
}
