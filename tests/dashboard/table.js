// The table, in Markdown.

import { FIGURES, rounds, summary, time, told } from "./figures.js";

/** What stands on the page: the table, and what was measured where. */
export function table(report) {
  const { clients, every, poll } = report.settings;
  const head = [`${clients.toLocaleString("en")} pages`, ...FIGURES.map(({ title, unit }) => `${title}, ${unit}`)];
  const lines = summary(report).map(({ way, figures }) => [way.title, ...FIGURES.map(({ key }) => told(figures[key]))]);
  const rule = head.map((_, index) => (index === 0 ? "---" : "---:"));
  return [
    ...[head, rule, ...lines].map((line) => `| ${line.join(" | ")} |`),
    "",
    `One update every ${time(every)}; short polling asks ${time(poll)} after each answer. ${rounds(report.rounds)}${report.rounds > 1 ? " (range), each" : ","}`,
    `measured for ${time(report.settings.for)} and scaled to an hour, on a broker of its own${atOnce(report)}.`,
    ...machine(report),
    "",
  ].join("\n");
}

const atOnce = ({ settings }) => (settings.together ? ", all at the same time" : "");

function machine({ machine, versions, measured }) {
  const memory = `${(machine.memory_bytes / 2 ** 30).toFixed(0)} GiB`;
  return [
    `${machine.cores} cores of ${machine.cpu}, shared by the broker and the pages; ${memory}; ${machine.kernel};`,
    `${machine.system}; data on ${machine.data}. Homeroom ${versions.homeroom}, ${measured}.`,
  ];
}
