// A WebSocket client on a plain socket: as much of it as one measuring hand needs, and it can stop reading.

import { once } from "node:events";
import net from "node:net";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** One message or control frame of a client. The mask is zero, which is legal and costs nothing. */
export function frame(payload, opcode = TEXT) {
  const length = payload.length;
  const head = length < 126 ? Buffer.alloc(6) : length < 65536 ? Buffer.alloc(8) : Buffer.alloc(14);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = 0x80 | length;
  else if (length < 65536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Cuts what a server sends into frames: feed it chunks, it calls `on(opcode, payload)`. */
export function splitter(on) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const left = rest.length - at;
      if (left < 2) break;
      const short = rest[at + 1] & 0x7f;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (left < head) break;
      const length =
        short === 126 ? rest.readUInt16BE(at + 2) : short === 127 ? Number(rest.readBigUInt64BE(at + 2)) : short;
      if (left < head + length) break;
      on(rest[at] & 0x0f, rest.subarray(at + head, at + head + length));
      at += head + length;
    }
    rest = rest.subarray(at);
  };
}

/** Opens a WebSocket. `on` gets each message; Pings are answered. */
export async function open(url, on, protocol) {
  const { hostname, port, pathname } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
  let failure;
  socket.on("error", (error) => (failure = error));
  const closed = new Promise((resolve) => socket.once("close", () => resolve(failure ?? new Error("the line broke"))));
  const brokenLine = closed.then((error) => Promise.reject(error));
  brokenLine.catch(() => {});
  await Promise.race([once(socket, "connect"), brokenLine]);
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}\r\n`,
  );
  let answer = Buffer.alloc(0);
  let head = -1;
  while (head < 0) {
    const [chunk] = await Promise.race([once(socket, "data"), brokenLine]);
    answer = Buffer.concat([answer, chunk]);
    head = answer.indexOf("\r\n\r\n");
  }
  if (!answer.toString("latin1", 0, head).startsWith("HTTP/1.1 101")) {
    socket.destroy();
    throw new Error(`no WebSocket at ${url}: ${answer.toString("latin1", 0, answer.indexOf("\r\n"))}`);
  }
  const take = splitter((opcode, payload) => {
    if (opcode === PING) socket.write(frame(payload, PONG));
    else if (opcode === CLOSE) socket.end(frame(payload, CLOSE));
    else if (opcode !== PONG) on(payload);
  });
  socket.on("data", take);
  take(answer.subarray(head + 4));
  return {
    socket,
    brokenLine,
    closed,
    /** Sends bytes that `frame` made; resolves when the kernel may take more. */
    write: async (bytes) => {
      if (!socket.write(bytes)) await Promise.race([once(socket, "drain"), brokenLine]);
    },
  };
}
