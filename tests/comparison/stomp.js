// STOMP for what `homeroom bench` does not do: to stall, to be away, to fill a store. Messages are only counted.

import { frame, open } from "./websocket.js";

/** The bytes of one STOMP frame, ready to be written. */
export function said(command, headers = {}, body = "") {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  return frame(Buffer.from(`${command}\n${lines.join("")}\n${body}\0`));
}

/** Connects; `headers` are those of CONNECT. */
export async function connect(url, headers = {}) {
  const client = { messages: 0 };
  const waiting = new Map();
  let wake = () => {};
  const tell = (name, value) => {
    waiting.get(name)?.resolve(value);
    waiting.delete(name);
  };
  let refuse;
  const refused = new Promise((_, reject) => (refuse = reject));
  refused.catch(() => {});

  const hear = (payload) => {
    if (payload[0] === MESSAGE[0] && payload.subarray(0, MESSAGE.length).equals(MESSAGE)) {
      client.messages += 1;
      return wake();
    }
    const text = payload.toString();
    if (text.startsWith("CONNECTED")) tell(CONNECTED);
    else if (text.startsWith("RECEIPT")) tell(header(text, "receipt-id"));
    else if (text.startsWith("ERROR")) refuse(new Error(`refused: ${text.slice(0, 300).replaceAll("\n", " ").trim()}`));
  };
  const line = await open(url, hear, "v12.stomp");
  const unlessItFails = (promise) => Promise.race([promise, refused, line.brokenLine]);
  const wait = (name) => {
    let resolve;
    const promise = new Promise((done) => (resolve = done));
    waiting.set(name, { resolve });
    return unlessItFails(promise);
  };

  const connected = wait(CONNECTED);
  await line.write(said("CONNECT", { "accept-version": "1.2", "heart-beat": "0,0", ...headers }));
  await connected;
  return Object.assign(client, {
    socket: line.socket,
    write: (bytes) => unlessItFails(line.write(bytes)),
    /** Sends a frame that asks for a receipt and waits for it. */
    confirmed: async (command, headers, body) => {
      const receipt = `${(receipts += 1)}`;
      const confirmed = wait(receipt);
      await line.write(said(command, { ...headers, receipt }, body));
      await confirmed;
    },
    /** Waits until so many messages have come in all. */
    heard: async (count) => {
      while (client.messages < count) await unlessItFails(new Promise((resolve) => (wake = resolve)));
    },
    /** Leaves without a word. */
    drop: () => {
      line.socket.destroy();
      return line.closed;
    },
  });
}

const MESSAGE = Buffer.from("MESSAGE");
const CONNECTED = "CONNECTED";
let receipts = 0;

function header(text, name) {
  return text.match(new RegExp(`\n${name}:([^\n\r]*)`))?.[1];
}
