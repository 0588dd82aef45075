// One connection of any client, in the few words that the steps use. Each
// client's adapter (`converse.js` in its folder) extends Talk and adds
//
//   version, hello            what CONNECTED said
//   subscribe(place, headers) → {inbox, receipt, unsubscribe()}, confirmed where the client can ask for it
//   send(place, body, headers) → RECEIPT's headers; the body is a string or a Uint8Array
//   ack(message), nack(message, headers) → RECEIPT's headers
//   begin()                   → {send(place, body), ack(message), commit(), abort()}
//   leave()                   → RECEIPT's headers of DISCONNECT
//   drop()                    breaks the line without a word
//
// A message is {headers, body, bytes, frame}; the frame is the client's own.

/** How long anything may take before it counts as missing. Generous: it only delays failures. */
const DEADLINE_MS = 15_000;

export class Talk {
  #end;
  #receipts = new Map();

  /** Messages of a subscription that this connection does not have: replies, and nothing else. */
  stray = new Inbox(this);

  /** What ended it, once it has: {error: {headers, body}} or {closed: why}. */
  ended = new Promise((resolve) => (this.#end = resolve));

  /** For adapters: the connection is over. */
  end(how) {
    this.#end(how);
  }

  /** Where the replies to `/temp-queue/{name}` come. A library that must be told of them says so to itself here. */
  replies(_name) {
    return this.stray;
  }

  /** For adapters: a RECEIPT came. */
  confirmed(headers) {
    this.#receipts.get(headers["receipt-id"])?.(headers);
  }

  /** The `receipt` that was asked for last. */
  lastReceipt;

  /** A fresh `receipt`, and the promise of its RECEIPT's headers. */
  receipt(what) {
    const receipt = `${what}-${this.#receipts.size}`;
    this.lastReceipt = receipt;
    const confirmed = new Promise((resolve) => this.#receipts.set(receipt, resolve));
    const came = this.within(`the RECEIPT ${receipt}`, confirmed);
    // Whoever waits for it hears of a failure; some send and do not wait.
    came.catch(() => {});
    return { receipt, came };
  }

  /** The promise's value; fails when the connection ends first, or nothing comes. */
  async within(what, promise) {
    const end = this.ended.then((how) => {
      throw new Error(`${what}: the conversation ended with ${JSON.stringify(how)}`);
    });
    return deadline(what, Promise.race([promise, end]));
  }
}

/** What came for one subscription, in order. */
export class Inbox {
  #talk;
  #messages = [];
  #arrived = () => {};

  constructor(talk) {
    this.#talk = talk;
  }

  /** For adapters: a message came. */
  put(message) {
    this.#messages.push(message);
    this.#arrived();
  }

  /** How many came and were not taken. */
  get size() {
    return this.#messages.length;
  }

  async next() {
    while (this.#messages.length === 0) {
      await this.#talk.within("a MESSAGE", new Promise((resolve) => (this.#arrived = resolve)));
    }
    return this.#messages.shift();
  }

  /** The next messages. */
  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** The next messages' bodies. */
  async bodies(count) {
    return (await this.take(count)).map((message) => message.body);
  }
}

/** The promise's value, or a failure that says what is missing. */
export async function deadline(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
