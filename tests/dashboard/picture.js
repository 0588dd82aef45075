// The picture: one panel of bars for each figure, less is better.

import { written } from "../comparison/figures.js";
import { logarithmic } from "../comparison/picture.js";
import { FIGURES, rounds, summary, time } from "./figures.js";

const PANEL = { width: 400, title: 46, row: 24, axis: 26, names: 136, bars: 196 };
const COLUMNS = 2;
const GAP = 20;
const HEADING = 56;

/** Where the ways differ by more, a bar's length is its logarithm. */
const APART = 10;

/** The whole of `dashboard.svg`. `report` is what `results.json` holds. */
export function picture(report) {
  const ways = summary(report).filter(({ way }) => way.name !== "nobody");
  const panels = FIGURES.map(({ key, title, unit }) => {
    const bars = ways.map(({ way, figures }) => ({ title: way.title, value: figures[key].median }));
    return { title, unit, bars, scale: scale(bars.map(({ value }) => value)) };
  });
  const height = PANEL.title + ways.length * PANEL.row + PANEL.axis;
  const width = COLUMNS * PANEL.width + (COLUMNS - 1) * GAP;
  const total = HEADING + Math.ceil(panels.length / COLUMNS) * (height + GAP);
  const drawn = panels.map((panel, index) => {
    const x = (index % COLUMNS) * (PANEL.width + GAP);
    const y = HEADING + Math.floor(index / COLUMNS) * (height + GAP);
    return `<g transform="translate(${x} ${y})">\n${draw(panel)}\n</g>`;
  });
  const { clients, every, poll } = report.settings;
  return `\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" role="img" aria-labelledby="title desc">
<title id="title">${heading(clients, every)}</title>
<desc id="desc">${escape(description(panels))}</desc>
${STYLE}
<text class="heading" x="0" y="18">${heading(clients, every)}</text>
<text x="0" y="38">Less is better. Short polling asks ${escape(time(poll))} after each answer. ${rounds(report.rounds)}.</text>
${drawn.join("\n")}
</svg>
`;
}

const heading = (clients, every) => escape(`${clients.toLocaleString("en")} open pages, one update every ${time(every)}`);

// Without a background, so that it stands on a light page and on a dark one.
const STYLE = `<style>
text { font: 13px -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #424a53 }
.heading { font-size: 15px; font-weight: 600 }
.panel { font-weight: 600 }
.unit, .tick { fill: #59636e; font-size: 12px }
.grid { stroke: #8c959f; stroke-opacity: 0.35 }
.bar { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 }
.unit, .tick { fill: #9198a1 }
.bar { fill: #4493f8 }
}
</style>`;

/** Logarithmic where the ways are orders of magnitude apart; nothing at all has no bar on either. */
export function scale(values) {
  const some = values.filter((value) => value > 0);
  if (some.length > 0 && Math.max(...some) > APART * Math.min(...some)) {
    const { ticks, at } = logarithmic(some);
    return { isLogarithmic: true, ticks, at: (value) => (value > 0 ? at(value) : 0) };
  }
  const most = Math.max(...some, 1e-9);
  const step = [1, 2, 5, 10].map((one) => one * 10 ** Math.floor(Math.log10(most / 2))).find((one) => most / one <= 4);
  const end = Math.ceil(most / step);
  const ticks = Array.from({ length: end + 1 }, (_, index) => Number((index * step).toPrecision(6)));
  return { isLogarithmic: false, ticks, at: (value) => value / (end * step) };
}

function draw({ title, unit, bars, scale }) {
  const bottom = PANEL.title + bars.length * PANEL.row;
  const ticks = scale.ticks.map((tick) => {
    const x = round(PANEL.names + scale.at(tick) * PANEL.bars);
    return (
      `<line class="grid" x1="${x}" y1="${PANEL.title - 4}" x2="${x}" y2="${bottom}"/>` +
      `<text class="tick" x="${x}" y="${bottom + 15}" text-anchor="middle">${tickText(tick)}</text>`
    );
  });
  const drawn = bars.map(({ title, value }, index) => {
    const y = PANEL.title + index * PANEL.row;
    const length = scale.at(value) * PANEL.bars;
    return (
      `<text x="${PANEL.names - 6}" y="${y + 15}" text-anchor="end">${escape(title)}</text>` +
      `<rect class="bar" x="${PANEL.names}" y="${y + 3}" width="${round(length)}" height="16"/>` +
      `<text x="${round(PANEL.names + length + 6)}" y="${y + 15}">${written(value)}</text>`
    );
  });
  const how = scale.isLogarithmic ? `${unit}, logarithmic scale` : unit;
  const head =
    `<text class="panel" x="0" y="12">${escape(title)}</text>` + `<text class="unit" x="0" y="30">${escape(how)}</text>`;
  return [head, ...ticks, ...drawn].join("\n");
}

/** For those who do not see it. */
function description(panels) {
  const told = panels.map(({ title, unit, bars }) => {
    const values = bars.map(({ title, value }) => `${title} ${written(value)}`);
    return `${title}, ${unit}: ${values.join(", ")}.`;
  });
  return told.join(" ");
}

/** Short, so that those of one axis do not meet: 5 M, 50 k, 5,000. */
function tickText(tick) {
  if (tick >= 1e6) return `${tick / 1e6} M`;
  if (tick >= 1e4) return `${tick / 1e3} k`;
  return tick.toLocaleString("en", { maximumFractionDigits: 6 });
}

const round = (value) => Math.round(value * 10) / 10;
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
