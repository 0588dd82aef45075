// Runs the README's program with this folder's packages, and says what it prints as JSON lines.
//
//   node readme.js PROGRAM.mjs

import { copyFile, rm } from "node:fs/promises";
import { WebSocket } from "ws";

// Browsers have it; Node 20 does not.
Object.assign(globalThis, { WebSocket });
console.log = (...words) => process.stdout.write(`${JSON.stringify({ event: "shown", text: words.join(" ") })}\n`);

// Packages are looked for from where a program lies: a copy beside this one finds ours.
const copy = new URL(`./.readme-${process.pid}.mjs`, import.meta.url);
await copyFile(process.argv[2], copy);
try {
  await import(copy.href);
} finally {
  await rm(copy);
}
