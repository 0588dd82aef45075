// What a message costs on the disk while students are away: once for all of them, and for each of them.

import { diskBytes, settled } from "../machine.js";
import { connect, said } from "../stomp.js";

const BODY = "x".repeat(200);
const UNDER_WAY = 100;

export const DISK = {
  name: "disk",
  peers: ["rabbitmq", "homeroom"],
  rounds: 2,
  // RabbitMQ stores a copy of the index for each student, and takes its time over it.
  sizes: {
    full: { rabbitmq: { few: 50, many: 150, messages: 400 }, homeroom: { few: 100, many: 2000, messages: 20_000 } },
    quick: { rabbitmq: { few: 2, many: 4, messages: 50 }, homeroom: { few: 2, many: 4, messages: 200 } },
  },
  rows: [
    {
      key: "bytes_per_message_and_student",
      unit: "bytes",
      title: "Disk per missed message of 200 bytes and absent student",
      base: null,
      goal: { value: 1 },
    },
    {
      key: "bytes_per_message",
      unit: "bytes",
      title: "Disk per missed message of 200 bytes, once for all students",
      base: null,
    },
  ],
  async measure({ peer, size: { [peer.name]: size }, withServer }) {
    const growth = {};
    for (const students of [size.few, size.many]) {
      growth[students] = await withServer(undefined, (server) => grow(server, students, size.messages));
    }
    return { figures: split(growth, size), results: { ...size, growth } };
  },
};

/** From the growth of two stores with different numbers of students away: the part of each, and of all. */
export function split(growth, { few, many, messages }) {
  const each = (growth[many] - growth[few]) / (many - few) / messages;
  return { bytes_per_message_and_student: each, bytes_per_message: growth[few] / messages - each * few };
}

/** How much the data directory grows by messages that so many durable subscribers miss. */
async function grow(server, students, messages) {
  const destination = "/topic/disk";
  for (let student = 0; student < students; student += 1) {
    const client = await connect(server.url, { ...server.connect, "client-id": `student-${student}` });
    const id = server.flags.includes("--unique-ids") ? `sub-${student}` : "sub-0";
    const headers = { id, destination, ack: "auto", durable: "true", "auto-delete": "false" };
    await client.confirmed("SUBSCRIBE", headers);
    // Without waiting for the receipt: RabbitMQ closes before it comes.
    await client.write(said("DISCONNECT"));
    await client.drop();
  }
  const before = await settled(() => diskBytes(server.data), 2.5);
  const publisher = await connect(server.url, server.connect);
  const letter = said("SEND", { destination, persistent: "true" }, BODY);
  for (let sent = 0; sent < messages; sent += UNDER_WAY) {
    const batch = Math.min(UNDER_WAY, messages - sent);
    await publisher.write(Buffer.concat(Array(batch - 1).fill(letter)));
    await publisher.confirmed("SEND", { destination, persistent: "true" }, BODY);
  }
  publisher.drop();
  return (await settled(() => diskBytes(server.data), 2.5)) - before;
}
