// The picture for the README: one panel of bars per work, each on its own logarithmic scale, less is better.

import { written } from "./figures.js";

const PANELS = [
  ["fanout", "cpu_seconds_per_million_deliveries", "Fan-out to 2,000, one at a time"],
  ["burst", "cpu_seconds_per_million_deliveries", "Fan-out to 2,000, 64 in flight"],
  ["quiz", "latency_us.last.p50", "Quiz, 300 students: last receiver"],
  ["idle", "rss_bytes_per_connection", "Memory of an idle connection"],
  ["idle", "cpu_seconds_per_1000_connects", "1,000 connects"],
  ["storm", "complete_us.last", "1,000 return at once: last complete"],
];

const PANEL = { width: 400, title: 44, row: 20, axis: 26, names: 108, bars: 228 };
const COLUMNS = 2;
const GAP = 20;

/** The whole of `comparison.svg`. `report` is what `results.json` holds. */
export function picture(report) {
  const panels = PANELS.flatMap(([work, key, title]) => {
    const row = report.rows.find((row) => row.work === work && row.key === key);
    const bars = row ? barsOf(row, report.peers) : [];
    return bars.length > 0 ? [{ title, unit: row.unit, bars }] : [];
  });
  const tallest = Math.max(1, ...panels.map(({ bars }) => bars.length));
  const height = PANEL.title + tallest * PANEL.row + PANEL.axis;
  const lines = Math.ceil(panels.length / COLUMNS);
  const width = COLUMNS * PANEL.width + (COLUMNS - 1) * GAP;
  const total = HEADING + lines * (height + GAP);
  const drawn = panels.map((panel, index) => {
    const x = (index % COLUMNS) * (PANEL.width + GAP);
    const y = HEADING + Math.floor(index / COLUMNS) * (height + GAP);
    return `<g transform="translate(${x} ${y})">\n${draw(panel)}\n</g>`;
  });
  return `\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" role="img" aria-labelledby="title desc">
<title id="title">${escape("Homeroom beside its peers: less is better")}</title>
<desc id="desc">${escape(description(panels))}</desc>
${STYLE}
<text class="heading" x="0" y="18">${heading(report)}</text>
${drawn.join("\n")}
</svg>
`;
}

const HEADING = 36;

const heading = ({ quick, rounds }) =>
  quick
    ? "A trial of the program: these figures say nothing."
    : `Less is better. Logarithmic scales, medians of ${rounds} round${rounds === 1 ? "" : "s"}.`;

// Without a background, so that it stands on a light page and on a dark one.
const STYLE = `<style>
text { font: 12px -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #424a53 }
.heading { font-size: 14px }
.panel { font-weight: 600; font-size: 13px }
.unit, .tick { fill: #59636e; font-size: 11px }
.grid { stroke: #8c959f; stroke-opacity: 0.35 }
.bar { fill: #8c959f }
.raw { fill: none; stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 3 2 }
.homeroom { fill: #0969da }
.name-homeroom { font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 }
.unit, .tick { fill: #9198a1 }
.homeroom { fill: #4493f8 }
}
</style>`;

const barsOf = (row, peers) =>
  peers
    .filter(({ name }) => row.cells[name]?.median > 0)
    .map(({ name, title }) => ({ name, title, value: row.cells[name].median }));

function draw({ title, unit, bars }) {
  const scale = logarithmic(bars.map(({ value }) => value));
  const bottom = PANEL.title + bars.length * PANEL.row;
  const ticks = scale.ticks.map((tick) => {
    const x = PANEL.names + scale.at(tick) * PANEL.bars;
    return (
      `<line class="grid" x1="${round(x)}" y1="${PANEL.title - 4}" x2="${round(x)}" y2="${bottom}"/>` +
      `<text class="tick" x="${round(x)}" y="${bottom + 14}" text-anchor="middle">${tickText(tick)}</text>`
    );
  });
  const drawn = bars.map(({ name, title, value }, index) => {
    const y = PANEL.title + index * PANEL.row;
    const length = scale.at(value) * PANEL.bars;
    const end = round(PANEL.names + length + 5);
    const kind = ["raw", "homeroom"].includes(name) ? name : "bar";
    return (
      `<text class="name-${name}" x="${PANEL.names - 6}" y="${y + 12}" text-anchor="end">${escape(title)}</text>` +
      `<rect class="${kind}" x="${PANEL.names}" y="${y + 2}" width="${round(length)}" height="13"/>` +
      `<text class="name-${name}" x="${end}" y="${y + 12}">${written(value)}</text>`
    );
  });
  const head =
    `<text class="panel" x="0" y="12">${escape(title)}</text>` +
    `<text class="unit" x="0" y="28">${escape(unit)}</text>`;
  return [head, ...ticks, ...drawn].join("\n");
}

/** A scale from a power of ten below all values to one above: `at` is 0 to 1. */
export function logarithmic(values) {
  // Half a power below the least, so that its bar can be seen.
  const low = Math.floor(Math.log10(Math.min(...values)) - 0.2);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { ticks, at: (value) => (Math.log10(value) - low) / (high - low) };
}

/** For those who do not see it. */
function description(panels) {
  const told = panels.map(({ title, unit, bars }) => {
    const values = bars.map(({ title, value }) => `${title} ${written(value)}`);
    return `${title}, ${unit}: ${values.join(", ")}.`;
  });
  return told.join(" ");
}

const tickText = (tick) => Number(tick.toPrecision(1)).toLocaleString("en", { maximumFractionDigits: 6 });
const round = (value) => Math.round(value * 10) / 10;
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
