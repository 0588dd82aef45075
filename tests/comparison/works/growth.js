// Works that show how Homeroom grows: the same figure at two sizes, the larger told as a multiple of the smaller.

import { CPU_PER_DELIVERY, load } from "./loads.js";

const ALONE = ["homeroom"];

const crowd = (size) => ["--receivers", size.receivers, "--in-flight", 1, "--seconds", size.seconds];
// As many deliveries under way at a time in both: 100 rooms of 10, or one room of 1,000.
const rooms = (size) => {
  const shape = ["--receivers", size.receivers, "--rooms", size.rooms, "--in-flight", size.inFlight];
  return [...shape, "--seconds", size.seconds, "--not-persistent"];
};

export const GROWTH = [
  load({
    name: "crowd-300",
    bench: "fanout",
    peers: ["raw", "homeroom"],
    sizes: { full: { receivers: 300, seconds: 4 }, quick: { receivers: 10, seconds: 0.3 } },
    flags: crowd,
    rows: [{ ...CPU_PER_DELIVERY, title: "Fan-out to 300, one message at a time" }],
  }),
  load({
    name: "crowd-10000",
    bench: "fanout",
    // Beside raw, since the kernel's part grows with the crowd too.
    peers: ["raw", "homeroom"],
    sizes: { full: { receivers: 10_000, seconds: 4 }, quick: { receivers: 60, seconds: 0.3 } },
    flags: crowd,
    rows: [
      {
        ...CPU_PER_DELIVERY,
        title: "Fan-out to 10,000, one message at a time",
        base: { work: "crowd-300" },
        goal: { most: 1.3 },
      },
    ],
  }),
  load({
    name: "rooms-10",
    bench: "fanout",
    peers: ALONE,
    sizes: {
      full: { receivers: 10_000, rooms: 10, inFlight: 1, seconds: 5 },
      quick: { receivers: 60, rooms: 2, inFlight: 1, seconds: 0.3 },
    },
    flags: rooms,
    rows: [{ ...CPU_PER_DELIVERY, title: "10 classrooms of 1,000, 1,000 deliveries under way" }],
  }),
  load({
    name: "rooms-1000",
    bench: "fanout",
    peers: ALONE,
    sizes: {
      full: { receivers: 10_000, rooms: 1000, inFlight: 100, seconds: 5 },
      quick: { receivers: 60, rooms: 20, inFlight: 10, seconds: 0.3 },
    },
    flags: rooms,
    rows: [
      {
        ...CPU_PER_DELIVERY,
        title: "1,000 classrooms of 10, 1,000 deliveries under way",
        base: { work: "rooms-10" },
        goal: { most: 1.5 },
      },
    ],
  }),
];
