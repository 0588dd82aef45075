// Who sits at this page: what shows it to a broker that asks.
//
// A token is kept in the tab's own storage until the tab is closed or its user signs out, so that a page that is loaded
// again does not ask for it. A password is kept nowhere: it lives as long as the page. A cookie of the school's own server
// is the browser's: no page can read it, and whether there is one is found out by asking the broker.

const SHELF = "homeroom/token";
/** Tokens and keys are such; whatever else is pasted never becomes a header. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

export type Credentials =
  | { readonly by: "token"; readonly token: string }
  | { readonly by: "password"; readonly user: string; readonly password: string }
  | { readonly by: "cookie" };

/** Who sits at this page. */
export interface Member {
  /** The name, where names are taken at their word. */
  readonly login: string;
  /** What shows who it is, where the broker asks; looked at for each line. */
  readonly credentials: () => Credentials | undefined;
  /** The browser's cookie is to show it from now on, or does not do. */
  readonly byCookie: (isWorthAsking: boolean) => void;
  /** Who it is, as the broker says before anything is read or sent; undefined where nobody has to show it. */
  readonly welcomed: (user: string | undefined) => void;
}

export class Session {
  readonly #store: Storage | undefined;
  #credentials: Credentials | undefined;

  constructor(store: Storage | undefined) {
    this.#store = store;
    this.#credentials = readToken(attempt(() => store?.getItem(SHELF)) ?? "");
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  signIn(credentials: Credentials): void {
    this.signOut();
    this.#credentials = credentials;
    if (credentials.by === "token") attempt(() => this.#store?.setItem(SHELF, credentials.token));
  }

  /** Leaves to the browser's cookie what nothing else shows, or no more. */
  byCookie(isWorthAsking: boolean): void {
    if (isWorthAsking) this.#credentials ??= { by: "cookie" };
    else if (this.#credentials?.by === "cookie") this.#credentials = undefined;
  }

  signOut(): void {
    this.#credentials = undefined;
    attempt(() => this.#store?.removeItem(SHELF));
  }
}

/** The session of this tab; undefined where storage is forbidden. */
export function tabStorage(): Storage | undefined {
  return attempt(() => sessionStorage);
}

/** A token or a key as people paste it: with line ends, or with the word that HTTP has before it. */
export function readToken(text: string): Credentials | undefined {
  const token = text.replace(/^\s*bearer\s+/i, "").replace(/\s+/g, "");
  return TOKEN.test(token) ? { by: "token", token } : undefined;
}

/** What CONNECT says. A broker where names are taken at their word knows the login alone. */
export function connectHeaders(login: string, credentials: Credentials | undefined): Record<string, string> {
  switch (credentials?.by) {
    case "token":
      return { passcode: credentials.token };
    case "password":
      return { login: credentials.user, passcode: credentials.password };
    case "cookie":
      return {};
    case undefined:
      return { login };
  }
}

/** What HTTP says, but for the cookie. */
export function authorization(login: string, credentials: Credentials | undefined): string | undefined {
  switch (credentials?.by) {
    case "token":
      return `Bearer ${credentials.token}`;
    case "password":
      return basic(credentials.user, credentials.password);
    case "cookie":
      return undefined;
    case undefined:
      return basic(login, "");
  }
}

/** RFC 7617, in UTF-8. */
function basic(user: string, password: string): string {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password}`)))}`;
}

/** Storage may be forbidden or full; the lesson goes on without it. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
