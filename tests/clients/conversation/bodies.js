// What is said comes unchanged, however large and whatever it is.

import assert from "node:assert/strict";

/** `limits.body_bytes`: the largest body there is. */
const LARGEST_BYTES = 1024 * 1024;

/** Several bytes to a letter, but no emoji: libraries that cut frames into chunks cut those in two. */
function largest() {
  const line = "Was ist 7 × 8? – größer als 50\n";
  const text = line.repeat(LARGEST_BYTES / Buffer.byteLength(line));
  return text + ".".repeat(LARGEST_BYTES - Buffer.byteLength(text));
}

async function carriesTheLargest(step, options) {
  const talk = await step.open(options);
  const { inbox } = await talk.subscribe(step.place);
  const body = largest();
  await talk.send(step.place, body);
  assert.ok((await inbox.next()).body === body, "1 MiB comes unchanged");
}

/** Sends a header and returns it as it came. */
async function carriesHeader(step, value) {
  const talk = await step.open();
  const { inbox } = await talk.subscribe(step.place);
  await talk.send(step.place, "see the header", { "x-greeting": value });
  assert.equal((await inbox.next()).headers["x-greeting"], value);
}

export const bodies = [
  { name: "1 MiB", run: (step) => carriesTheLargest(step) },
  { name: "1 MiB in 8 KiB chunks", run: (step) => carriesTheLargest(step, { chunk: 8 * 1024 }) },
  {
    name: "binary body",
    async run(step) {
      const talk = await step.open();
      const { inbox } = await talk.subscribe(step.place);
      const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
      await talk.send(step.place, body, { "content-type": "application/octet-stream" });
      assert.deepEqual([...(await inbox.next()).bytes], [...body]);
    },
  },
  {
    name: "unicode body",
    async run(step) {
      const talk = await step.open();
      const { inbox } = await talk.subscribe(step.place);
      const body = "Grüße: 你好\n\\ 🙂\n";
      await talk.send(step.place, body);
      assert.equal((await inbox.next()).body, body);
    },
  },
  { name: "unicode header", run: (step) => carriesHeader(step, "Grüße 你好 🙂") },
  {
    name: "escaped header",
    since: { version: "1.1", why: "STOMP 1.0 cannot spell a line end in a header" },
    // Not a backslash before an "n": stompjs takes what was escaped so for a line end.
    run: (step) => carriesHeader(step, "one: two\nthree \\ four"),
  },
];
