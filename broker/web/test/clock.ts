// A clock that moves when it is told to.

interface Alarm {
  readonly at: number;
  readonly act: () => void;
}

export class FakeClock {
  now = 0;
  #alarms: Alarm[] = [];

  after(ms: number, act: () => void): () => void {
    const alarm = { at: this.now + ms, act };
    this.#alarms.push(alarm);
    return () => (this.#alarms = this.#alarms.filter((other) => other !== alarm));
  }

  /** Alarms go off in the order of their times, also those that are set meanwhile. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const due = this.#alarms.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
      if (!due) break;
      this.#alarms = this.#alarms.filter((other) => other !== due);
      this.now = due.at;
      due.act();
    }
    this.now = until;
  }
}
