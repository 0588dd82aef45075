// Works that `homeroom bench` does alone: one load on one fresh server.

import { figure } from "../bench.js";

/** A work of one load. `flags(size)` are the load's; `options` start a peer otherwise; `check` refuses results. */
export const load = ({ bench, flags, options = {}, rows, ...work }) => ({
  ...work,
  rows,
  async measure({ peer, size, withServer, run }) {
    const results = await withServer(options[peer.name], (server) => run(server, bench, flags(size)));
    for (const wrong of ["missing", "out_of_order"]) {
      // What is not done is not fast.
      if (results[wrong] > 0) throw new Error(`${results[wrong]} deliveries ${wrong.replaceAll("_", " ")}`);
    }
    work.check?.(results);
    const figures = rows.map((row) => [row.key, figure(results, row.key)]);
    return { figures: Object.fromEntries(figures), results };
  },
});

export const CPU_PER_DELIVERY = { key: "cpu_seconds_per_million_deliveries", unit: "CPU s per million deliveries" };
const LAST_P50 = { key: "latency_us.last.p50", unit: "ms", scale: 1e-3 };
const LIVE = ["raw", "stomp-broker-js", "nats", "rabbitmq", "homeroom"];
const KEEPING = ["rabbitmq", "homeroom"];

const fanout = (size) => ["--receivers", size.receivers, "--in-flight", 1, "--seconds", size.seconds];
const burst = (size) => ["--receivers", size.receivers, "--in-flight", 64, "--seconds", size.seconds];
const quiz = (size) => ["--receivers", size.receivers, "--rate", 20, "--seconds", size.seconds];
const idle = (size) => ["--connections", size.connections];
export const confirmed = (size) => ["--publishers", 1, "--in-flight", 100, "--seconds", size.seconds];
const storm = (size) => ["--students", size.students, "--missed", size.missed];

const CROWD = { full: { receivers: 2000, seconds: 5 }, quick: { receivers: 40, seconds: 0.3 } };
const CLASS = { full: { receivers: 300, seconds: 6 }, quick: { receivers: 20, seconds: 0.5 } };
const CONNECTIONS = { full: { connections: 5000 }, quick: { connections: 100 } };
const STORM = { full: { students: 1000, missed: 200 }, quick: { students: 10, missed: 10 } };

export const LOADS = [
  load({
    name: "fanout",
    bench: "fanout",
    peers: LIVE,
    sizes: CROWD,
    flags: fanout,
    rows: [{ ...CPU_PER_DELIVERY, title: "Fan-out to 2,000, one message at a time", goal: { most: 1.1 } }],
  }),
  load({
    name: "fanout-passing",
    bench: "fanout",
    peers: ["raw", "homeroom"],
    sizes: CROWD,
    flags: (size) => [...fanout(size), "--not-persistent"],
    rows: [{ ...CPU_PER_DELIVERY, title: "The same, messages that are not stored", goal: { most: 1.1 } }],
  }),
  load({
    name: "burst",
    bench: "fanout",
    peers: LIVE,
    sizes: CROWD,
    options: { raw: { join: 64 } },
    flags: burst,
    rows: [{ ...CPU_PER_DELIVERY, title: "Fan-out to 2,000, 64 in flight (raw joins up to 64)", goal: { most: 1.5 } }],
  }),
  load({
    name: "quiz",
    bench: "latency",
    peers: LIVE,
    sizes: CLASS,
    flags: (size) => [...quiz(size), "--not-persistent"],
    rows: [{ ...LAST_P50, title: "Quiz, 300 students, 20 messages/s: last receiver, p50", goal: { most: 1.3 } }],
  }),
  load({
    name: "quiz-durable",
    bench: "latency",
    peers: ["raw", ...KEEPING],
    sizes: CLASS,
    flags: (size) => [...quiz(size), "--durable"],
    rows: [
      {
        ...LAST_P50,
        title: "The same, stored messages to durable subscriptions (raw stores nothing)",
        goal: { most: 1.6 },
      },
    ],
  }),
  load({
    name: "idle",
    bench: "idle",
    peers: LIVE,
    sizes: CONNECTIONS,
    flags: idle,
    rows: [
      {
        key: "rss_bytes_per_connection",
        unit: "KiB",
        scale: 1 / 1024,
        title: "Memory of an idle subscribed connection, of 5,000",
        goal: { value: 4.5 },
      },
      {
        key: "cpu_seconds_per_1000_connects",
        unit: "CPU s",
        title: "1,000 connects with subscription",
        goal: { most: 1.5 },
      },
    ],
  }),
  load({
    name: "idle-durable",
    bench: "idle",
    peers: KEEPING,
    sizes: CONNECTIONS,
    flags: (size) => [...idle(size), "--durable"],
    rows: [
      {
        key: "rss_bytes_per_connection",
        unit: "KiB",
        scale: 1 / 1024,
        title: "Memory of an idle connection with a durable subscription, of 5,000",
        goal: { value: 5.5 },
      },
    ],
  }),
  load({
    name: "confirmed",
    bench: "durable",
    peers: ["raw", ...KEEPING],
    sizes: { full: { seconds: 5 }, quick: { seconds: 0.3 } },
    options: { raw: { store: true } },
    flags: confirmed,
    rows: [
      {
        key: "confirmed_per_second",
        unit: "messages/s",
        title: "Confirmed messages, one publisher, 100 in flight (raw: append and shared fdatasync)",
        more: true,
        goal: { least: 0.7 },
      },
    ],
  }),
  load({
    name: "confirmed-away",
    bench: "durable",
    peers: KEEPING,
    sizes: { full: { seconds: 5, away: 1000 }, quick: { seconds: 0.3, away: 10 } },
    flags: (size) => [...confirmed(size), "--away", size.away],
    rows: [
      {
        key: "confirmed_per_second",
        unit: "messages/s",
        title: "The same with 1,000 durable subscribers away",
        more: true,
        base: { work: "confirmed" },
        goal: { least: 0.95 },
      },
    ],
  }),
  load({
    name: "storm",
    bench: "storm",
    peers: KEEPING,
    sizes: STORM,
    flags: storm,
    rows: [
      {
        key: "complete_us.last",
        unit: "s",
        scale: 1e-6,
        title: "1,000 students return at once, 200 missed each: the last one has all",
        base: { peer: "rabbitmq" },
        goal: { most: 0.05 },
      },
      { ...CPU_PER_DELIVERY, title: "The same storm", base: { peer: "rabbitmq" }, goal: { value: 1 } },
    ],
  }),
  load({
    name: "storm-beside",
    bench: "storm",
    peers: ["homeroom"],
    sizes: {
      full: { ...STORM.full, beside: 300, rate: 100, before: 5 },
      quick: { students: 50, missed: 50, beside: 10, rate: 1000, before: 0.5 },
    },
    flags: (size) => [...storm(size), "--beside", size.beside, "--rate", size.rate, "--before", size.before],
    // A ratio of nothing would look like a very good one.
    check: (results) => {
      const met = figure(results, "latency_us.during.count");
      if (met === 0) throw new Error("the storm was over before the class had a message");
    },
    rows: [
      {
        key: "p99_ratio",
        unit: "×",
        title: "A class of 300 beside that storm, 100 messages/s: p99 during it, as a multiple of before",
        base: null,
        goal: { value: 1.5 },
      },
    ],
  }),
];
