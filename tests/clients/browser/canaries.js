// What a broker's log, at TRACE, must never hold: what pages and services sent, and what shows who they are. The same for
// the tests in Rust: `tests/harness/canaries.rs`.

/** Shorter ones are words of any log. */
const LETTERS_MIN = 8;
/** A leak that is cut short is one too. */
const LETTERS_MAX = 32;
/** Where these are, a secret is, whoever made it. */
const MARKS = ["eyJ", "$argon2", "hr_", "Bearer ", "Basic "];
/** What a log escapes would not be found again. */
const PLAIN = /[\p{L}\p{N} .,;:\-_+*/=?!()×~]+/gu;

const known = new Set();

/** Remembers a text that no log may hold; of JSON each text in it, of STOMP its body and password. */
export function canary(text) {
  const stomp = /^(CONNECT|STOMP|SEND)\n(.*?)\n\n([^\0]*)/s.exec(text ?? "");
  if (stomp) {
    const [, command, headers, body] = stomp;
    if (command === "SEND") return canary(body);
    return canary(/^passcode:(.*)$/m.exec(headers)?.[1]);
  }
  const value = parsed(text);
  if (value !== null && typeof value === "object") return leaves(value).forEach(canary);
  // All tokens begin alike; what signs them does not.
  const own = text?.startsWith("eyJ") ? text.split(".").at(-1) : text;
  const run = own?.match(PLAIN)?.map((run) => run.trim()).find((run) => run.length >= LETTERS_MIN);
  if (run) known.add(run.slice(0, LETTERS_MAX));
}

/** Remembers whatever this page sends to anybody. */
export function listen(page) {
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => canary(String(payload))));
  page.on("request", (request) => canary(request.postData()));
}

/** What a log holds and should not, each with its line. */
export function leaks(log) {
  const found = [...MARKS, ...known].filter((text) => log.includes(text));
  return found.map((text) => `"${text}" is in the log: ${log.split("\n").find((line) => line.includes(text))}`);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The texts in a JSON value; a place is no secret. */
function leaves(value) {
  if (typeof value === "string") return value.startsWith("/") ? [] : [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(leaves) : [];
}
