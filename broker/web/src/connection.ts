// The page's connection, over whichever line gets through.
//
// It comes back by itself after a broken line and stays away when the broker says so or when another page took over.
// Everything that is published waits in the outbox until it is confirmed, and reading goes on where the reader stands:
// so the line may change at any time, and nothing is missed or shown twice.

import { Choice } from "./choice.ts";
import type { Arrival } from "./lesson.ts";
import { type Asked, asksWho, CODE, type Ending, type Line, type LineEvents, type LineName, type Received, type Trouble } from "./line.ts";
import { Outbox, uniqueKey } from "./outbox.ts";
import type { Reader } from "./reader.ts";
import type { Member } from "./session.ts";
import { browser, type Stop, type World } from "./world.ts";

export type Status =
  | { readonly is: "connecting" }
  | { readonly is: "connected"; readonly line: LineName }
  /** Broken, and tried again by itself. */
  | { readonly is: "lost" }
  /** The user switched it off. */
  | { readonly is: "away" }
  /** The broker does not want this page back as it is. */
  | { readonly is: "ended"; readonly trouble: Trouble };

export interface Incoming extends Omit<Received, "replayed"> {
  readonly arrived: Arrival;
}

/** What is followed, from where its reader stands. */
export interface Subscription {
  readonly id: string;
  readonly destination: string;
  readonly durable: boolean;
  readonly reader: Reader;
  readonly received: (incoming: Incoming) => void;
}

/** Who is here; a broker may not offer it, and lines over HTTP do not. */
export interface Watch {
  readonly destination: string;
  readonly received: (body: string) => void;
  /** The connection is gone, or the broker does not say: nobody knows who is here. */
  readonly unknown: () => void;
}

/** One line from its opening to its end. */
interface Attempt {
  readonly name: LineName;
  readonly line: Line;
  readonly asked: Asked;
  stirred: boolean;
  openedAt: number | undefined;
  isOver: boolean;
  giveUp: Stop;
}

const NOT_NOW_MS = 5_000;
/** So long before the time of who is signed in is over, it is said. */
const WARNING_MS = 60_000;
/** Longer than any timer can wait. */
const FOREVER_MS = 2 ** 31;

export class Connection {
  status: Status = { is: "connecting" };
  /** What the broker refused last, until it has granted everything. */
  trouble: Trouble | undefined;
  /** Who is signed in, as the broker says. */
  user: string | undefined;
  /** The time of who is signed in is over within a minute. */
  isRunningOut = false;

  readonly #member: Member;
  readonly #subscription: Subscription;
  #watch: Watch | undefined;
  readonly #changed: () => void;
  readonly #world: World;
  readonly #choice = new Choice();
  readonly #outbox = new Outbox();
  #current: Attempt | undefined;
  /** A better line, opened beside the one in use. */
  #trial: Attempt | undefined;
  /** The next step, if it only waits for its time. */
  #next: Stop = () => {};
  #warn: Stop = () => {};
  /** The line that ended last had shown who this is. */
  #wasShown = false;
  /** Why the browser's cookie was looked for. */
  #asking: Trouble | undefined;

  constructor(member: Member, subscription: Subscription, watch: Watch, changed: () => void, world = browser) {
    this.#member = member;
    this.#subscription = subscription;
    this.#watch = watch;
    this.#changed = changed;
    this.#world = world;
  }

  get unsent(): number {
    return this.#outbox.waiting;
  }

  /** The broker wants to know who this is: for the first time, or because what was shown does not do. */
  get asksWho(): "first" | "again" | "expired" | undefined {
    if (this.status.is !== "ended" || !asksWho(this.status.trouble)) return undefined;
    if (!this.#wasShown) return "first";
    return this.status.trouble.code === CODE.expired ? "expired" : "again";
  }

  /** Connects, or connects again after `goAway` or an end. */
  comeBack(): void {
    this.trouble = undefined;
    this.#become({ is: "connecting" });
    this.#open();
  }

  /** Shows who this is anew: in the middle of the conversation where that can be, else on a line of its own. */
  renew(): void {
    const [attempt, credentials] = [this.#current, this.#member.credentials()];
    if (this.status.is === "connected" && attempt?.line.renew && attempt.asked.credentials && credentials?.by === "token") {
      attempt.line.renew(credentials.token);
    } else {
      this.comeBack();
    }
  }

  /** Leaves as a page that is closed would, without coming back by itself. */
  async goAway(): Promise<void> {
    this.#become({ is: "away" });
    await this.#leave();
  }

  /** Something is better now: does not wait for the next try, be it of any line or of a better one. */
  hurry(): void {
    if (this.status.is === "lost") {
      this.comeBack();
    } else if (this.status.is === "connected" && !this.#trial) {
      this.#tryBetter();
    }
  }

  /** Resolves with the position once the broker has stored it; may take as long as the page is offline. */
  publish(destination: string, message: object): Promise<string | undefined> {
    return new Promise((confirmed, refuse) => {
      const refused = (reason: string): void => refuse(new Error(reason));
      this.#outbox.put({ key: uniqueKey(), destination, body: JSON.stringify(message), confirmed, refused });
      this.#changed();
    });
  }

  #open(): void {
    void this.#leave();
    this.#current = this.#attempt(this.#choice.line);
  }

  /** Of every line and every plan. */
  async #leave(): Promise<void> {
    this.#next();
    this.#outbox.disconnected();
    const left = [this.#current, this.#trial];
    this.#current = this.#trial = undefined;
    await Promise.all(left.map((attempt) => attempt && end(attempt)));
  }

  #attempt(name: LineName): Attempt {
    const { id, destination, durable, reader } = this.#subscription;
    const begin = (keepsPlaces: boolean) => reader.begin(keepsPlaces);
    const member = { login: this.#member.login, credentials: this.#member.credentials() };
    const asked: Asked = { ...member, id, destination, durable, presence: this.#watch?.destination, begin };
    const line = this.#world.line(name, asked, this.#events(() => attempt));
    const attempt: Attempt = { name, line, asked, stirred: false, openedAt: undefined, isOver: false, giveUp: () => {} };
    this.#giveTime(attempt);
    line.open();
    return attempt;
  }

  #giveTime(attempt: Attempt): void {
    attempt.giveUp();
    attempt.giveUp = this.#world.after(this.#choice.openWithinMs, () => this.#closed(attempt, { how: "silent" }));
  }

  /** What a line says counts until its attempt is over. */
  #events(which: () => Attempt): LineEvents {
    const heard =
      <Said extends unknown[]>(hear: (attempt: Attempt, ...said: Said) => void) =>
      (...said: Said): void => {
        if (!which().isOver) hear(which(), ...said);
      };
    return {
      stirred: heard((attempt) => {
        attempt.stirred = true;
        if (attempt.openedAt === undefined) this.#giveTime(attempt);
      }),
      welcomed: heard((attempt, user) => {
        if (attempt.openedAt === undefined) this.#giveTime(attempt);
        attempt.stirred = true;
        this.#runsOutIn(undefined);
        this.user = user;
        this.#member.welcomed(user);
      }),
      expires: heard((_, inMs) => this.#runsOutIn(inMs)),
      // What is refused here, be it of another user, is told by a line of its own.
      renewed: heard((_, isTaken, inMs) => (isTaken ? this.#runsOutIn(inMs) : this.comeBack())),
      opened: heard((attempt) => this.#opened(attempt)),
      subscribed: heard(() => {
        this.#subscription.reader.began();
        this.#goesWell();
      }),
      received: heard((_, message) => this.#received(message)),
      present: heard((_, body) => this.#watch?.received(body)),
      unwatched: heard(() => (this.#watch = undefined)),
      published: heard((_, key, position) => {
        this.#outbox.confirm(key, position);
        this.#goesWell();
      }),
      refused: heard((_, key, trouble, final) => {
        this.trouble = trouble;
        if (final) this.#outbox.refuse(key, trouble.message);
        this.#changed();
      }),
      closed: heard((attempt, ending) => this.#closed(attempt, ending)),
    };
  }

  #opened(attempt: Attempt): void {
    attempt.giveUp();
    attempt.stirred = true;
    attempt.openedAt = this.#world.now();
    if (attempt === this.#trial) {
      if (this.#current) void end(this.#current);
      [this.#current, this.#trial] = [attempt, undefined];
      this.#outbox.disconnected();
      this.#choice.climbed(attempt.name);
    }
    this.#choice.opened();
    this.#become({ is: "connected", line: attempt.name });
    this.#outbox.connected((letter) => attempt.line.publish(letter));
    this.#planBetter();
  }

  #received({ replayed, ...message }: Received): void {
    const { reader, received } = this.#subscription;
    const arrived = reader.receive(message.position, replayed);
    if (arrived) received({ ...message, arrived });
  }

  #closed(attempt: Attempt, ending: Ending): void {
    void end(attempt);
    if (attempt === this.#trial) {
      this.#trial = undefined;
      this.#choice.betterFailed();
      this.#planBetter();
      return;
    }
    void this.#leave();
    if (ending.how === "ended") return this.#ended(attempt, ending.trouble);
    const { stirred, openedAt } = attempt;
    const openForMs = openedAt === undefined ? undefined : this.#world.now() - openedAt;
    const afterMs = this.#choice.closed(ending.how, { stirred, openForMs });
    if (afterMs > 0 || this.status.is === "connected") this.#become({ is: "lost" });
    this.#next = this.#world.after(afterMs, () => this.#open());
  }

  #ended(attempt: Attempt, trouble: Trouble): void {
    this.#runsOutIn(undefined);
    if (this.#mayBeKnown(attempt, trouble)) {
      this.#asking = trouble;
      this.#member.byCookie(true);
      return this.#open();
    }
    const isNoCookie = attempt.asked.credentials?.by === "cookie" && attempt.openedAt === undefined && asksWho(trouble);
    if (isNoCookie) this.#member.byCookie(false);
    // Nobody was asked for a cookie, so nobody is told that there is none.
    const told = (isNoCookie && this.#asking) || trouble;
    this.#wasShown = isNoCookie ? told.code === CODE.expired : attempt.asked.credentials !== undefined;
    this.#asking = undefined;
    this.#become({ is: "ended", trouble: told });
  }

  /** The browser may have a cookie that shows who this is, or by now a newer one. */
  #mayBeKnown({ asked, openedAt }: Attempt, trouble: Trouble): boolean {
    if (asked.credentials === undefined) return asksWho(trouble);
    return asked.credentials.by === "cookie" && openedAt !== undefined && trouble.code === CODE.expired;
  }

  #runsOutIn(inMs: number | undefined): void {
    this.#warn();
    this.isRunningOut = inMs !== undefined && inMs <= WARNING_MS;
    if (inMs !== undefined && !this.isRunningOut && inMs < FOREVER_MS) {
      this.#warn = this.#world.after(inMs - WARNING_MS, () => this.#runsOutIn(WARNING_MS));
    }
    this.#changed();
  }

  #planBetter(): void {
    this.#next();
    const better = this.#choice.better();
    if (better) this.#next = this.#world.after(better.afterMs, () => this.#tryBetter());
  }

  /** Not while somebody writes or waits for a confirmation, though it should be noticed by nobody. */
  #tryBetter(): void {
    this.#next();
    const better = this.#choice.better();
    if (!better) return;
    if (this.unsent > 0 || !this.#world.isCalm()) {
      this.#next = this.#world.after(NOT_NOW_MS, () => this.#tryBetter());
    } else {
      this.#trial = this.#attempt(better.line);
    }
  }

  /** Everything asked for was granted. Before that an open line proves little: what was refused will be asked for again. */
  #goesWell(): void {
    if (this.#outbox.waiting === 0) {
      this.trouble = undefined;
      this.#choice.granted();
    }
    this.#changed();
  }

  #become(status: Status): void {
    this.status = status;
    if (status.is !== "connected" || status.line !== "websocket") this.#watch?.unknown();
    this.#changed();
  }
}

async function end(attempt: Attempt): Promise<void> {
  attempt.isOver = true;
  attempt.giveUp();
  await attempt.line.close();
}
