// What was measured: the same as `homeroom doctor --json` has, by the same names.

export interface Measurements {
  /** The origin of the page. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly reach: "reached" | "unknown_name" | "no_answer" | "no_tls" | "only_tls";
  /** Browsers do not show pages what became of TLS. */
  readonly tls?: Tls | undefined;
  readonly doors: Doors;
  readonly quiet: { readonly websocket: Quiet; readonly http: Quiet };
  /** How often the broker offers to send a heart-beat; 0 is never. */
  readonly heartbeat_seconds?: number | undefined;
  readonly clock_ahead_seconds?: number | undefined;
  readonly proxy_variable?: string | undefined;
  /** After so long it was given up, and what was not measured by then is not known. */
  readonly given_up_seconds?: number | undefined;
}

/** What came of a handshake. */
export interface Tls {
  readonly is:
    | "works" | "untrusted" | "wrong_name" | "untimely" | "unusable" | "plain" | "refused" | "closed" | "silent";
  readonly version?: string | undefined;
  readonly http?: string | undefined;
  readonly certificate?: { readonly issuer: string; readonly names: string; readonly from: string; readonly until: string } | undefined;
  readonly reason?: string | undefined;
}

/** The ways in which messages come, the best first, and the way they go over HTTP. */
export const DOORS = ["websocket", "events", "long_polling", "short_polling", "publishing"] as const;
export type DoorName = (typeof DOORS)[number];
export type Doors = Readonly<Record<DoorName, Door>>;

export interface Door {
  readonly is: Outcome;
  readonly round_trip_ms?: RoundTrip | undefined;
  /** The HTTP status that stood in the way. */
  readonly status?: number | undefined;
  /** When it ended too soon. */
  readonly after_seconds?: number | undefined;
}

export type Outcome =
  | "works" | "refused" | "closed" | "silent" | "buffered" | "cut" | "cached" | "altered" | "foreign" | "turned_away" | "busy" | "untried";

export interface RoundTrip {
  readonly median: number;
  readonly worst: number;
}

/** After so long a silence it still worked, was closed, or let nothing through any more. */
export type Quiet = { readonly is: "open" | "cut" | "lost"; readonly seconds: number } | { readonly is: "untried" };

export const UNTRIED = { is: "untried" } as const;

export function anyWorks(doors: Doors): boolean {
  return reading(doors).some(({ is }) => is === "works");
}

/** The ways in which messages come, the best first. */
export function reading({ websocket, events, long_polling, short_polling }: Doors): Door[] {
  return [websocket, events, long_polling, short_polling];
}

export function works(samples: readonly number[]): Door {
  const sorted = [...samples].sort((one, other) => one - other);
  return { is: "works", round_trip_ms: { median: sorted[Math.floor(sorted.length / 2)]!, worst: sorted.at(-1)! } };
}
