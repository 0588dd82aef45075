// From measurements to figures: medians of the rounds, for an hour of all pages.

import { withRange, written } from "../comparison/figures.js";
import { median } from "../comparison/summary.js";

/** What is measured: the four ways, and the updates alone. */
export const WAYS = [
  { name: "short", door: "short", title: "Short polling" },
  { name: "long", door: "long", title: "Long polling" },
  { name: "events", door: "events", title: "Server-Sent Events" },
  { name: "websocket", door: "websocket", title: "WebSocket" },
  { name: "nobody", door: "events", title: "No page open", settings: { clients: 0 } },
];

const anHour = (results) => 3600 / results.seconds;

/** What is told of a way, each with its unit; of nobody only what `alone` says. */
export const FIGURES = [
  { key: "requests", title: "Requests", unit: "in an hour", of: (results) => results.requests * anHour(results) },
  {
    key: "bytes",
    title: "Bytes, both directions",
    unit: "MB in an hour",
    of: (results) => ((results.bytes_sent + results.bytes_received) * anHour(results)) / 1e6,
  },
  {
    key: "cpu",
    title: "CPU time of the broker",
    unit: "s in an hour",
    alone: true,
    of: (results) => results.cpu_seconds * anHour(results),
  },
  { key: "p50", title: "Delay, median", unit: "ms", of: (results) => results.latency_us.page.p50 / 1000 },
  { key: "p99", title: "Delay, p99", unit: "ms", of: (results) => results.latency_us.page.p99 / 1000 },
  {
    key: "memory",
    title: "Memory of the broker",
    unit: "KiB for each page",
    of: (results) => results.rss_bytes_per_client / 1024,
  },
];

/** The figures of each way: `[{ way, figures: { requests: { median, min, max }, … } }]`. */
export function summary({ measurements }) {
  return WAYS.flatMap((way) => {
    const mine = measurements.filter((one) => one.way === way.name).map(({ results }) => results);
    if (mine.length === 0) return [];
    const told = FIGURES.filter(({ alone }) => alone || way.name !== "nobody");
    const figures = told.map(({ key, of }) => {
      const values = mine.map(of);
      return [key, { median: median(values), min: Math.min(...values), max: Math.max(...values) }];
    });
    return [{ way, figures: Object.fromEntries(figures) }];
  });
}

/** Three digits, with the range where it says something: not of large counts, and not where it rounds to nothing. */
export function told(figure) {
  if (figure === undefined) return "–";
  const isOne = figure.max >= 1000 || written(figure.min) === written(figure.max);
  return isOne ? written(figure.median) : withRange(figure);
}

/** A time as people write it: `10s` is `10 s`. */
export const time = (text) => text.replace(/(\d)s$/, "$1 s");

/** How often it was measured. */
export const rounds = (number) => (number === 1 ? "One round" : `Medians of ${number} rounds`);

const [BEGIN, END] = ["<!-- made by tests/dashboard/run -->", "<!-- until here -->"];

/** The page with this between its marks. */
export function placed(page, text) {
  const [before, rest] = split(page, BEGIN);
  const [, after] = split(rest, END);
  return `${before}${BEGIN}\n\n${text}\n${END}${after}`;
}

function split(text, mark) {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`the page has no "${mark}"`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
