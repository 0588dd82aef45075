// What stompjs' own parser makes of streams of bytes. A line of input is a JSON list of pieces in base64; a line of
// output the frames found: command, headers as they were written, body in base64.

import { createInterface } from 'node:readline';
import { Parser } from './node_modules/@stomp/stompjs/esm6/parser.js';

for await (const line of createInterface({ input: process.stdin })) {
  const frames = [];
  const parser = new Parser(
    ({ command, headers, binaryBody }) =>
      frames.push([command, headers, Buffer.from(binaryBody).toString('base64')]),
    () => {},
  );
  for (const piece of JSON.parse(line)) parser.parseChunk(Buffer.from(piece, 'base64'));
  process.stdout.write(JSON.stringify(frames) + '\n');
}
