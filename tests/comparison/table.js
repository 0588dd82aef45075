// The table, in Markdown.

import { withRange, written } from "./figures.js";
import { reached } from "./summary.js";

/** The whole of `table.md`. `report` is what `results.json` holds. */
export function table(report) {
  const peers = report.peers.filter(({ name }) => report.rows.some((row) => row.cells[name]));
  const head = ["Work", "Unit", ...peers.map(({ title }) => title), "Homeroom should"];
  const lines = report.rows
    .filter((row) => Object.keys(row.cells).length > 0)
    .map((row) => [
      row.title + fewer(row, report.rounds),
      row.unit + (row.more ? ", more is better" : ""),
      ...peers.map(({ name }) => cell(row.cells[name])),
      should(row, report.quick),
    ]);
  const rule = head.map((_, index) => (index < 2 ? "---" : "---:"));
  return [
    ...introduction(report),
    "",
    ...[head, rule, ...lines].map((line) => `| ${line.join(" | ")} |`),
    "",
    ...failures(report.failures),
    ...machine(report),
    "",
  ].join("\n");
}

function introduction({ rounds, measured, quick }) {
  if (quick) return ["A trial of the program, with a few connections for an instant: **these figures say nothing.**"];
  return [
    `Medians of ${rounds} round${rounds === 1 ? "" : "s"} (range), measured ${measured}. Below each the median of its`,
    "ratios within a round (range): to raw, or to what the line names. Less is better, unless it says otherwise. A dash:",
    "it cannot do that, or was not asked.",
  ];
}

/** Dear works have fewer rounds, and the time may run out. */
function fewer(row, rounds) {
  const had = Math.max(...Object.values(row.cells).map(({ values, failed }) => values.length + failed));
  return had === rounds ? "" : ` (${had} of the rounds)`;
}

function cell(figure) {
  if (figure === undefined) return "–";
  const failed = figure.failed > 0 ? [`failed ${figure.failed} of ${figure.failed + figure.values.length}`] : [];
  if (figure.median === undefined) return failed.join("");
  const ratio = figure.ratio ? [`${withRange(figure.ratio)} ×`] : [];
  return [withRange(figure), ...ratio, ...failed].join("<br>");
}

function should(row, quick) {
  const { goal } = row;
  if (goal === undefined) return "";
  const what =
    goal.value !== undefined
      ? `≤ ${written(goal.value)}`
      : goal.most !== undefined
        ? `≤ ${written(goal.most)} × ${baseName(row.base)}`
        : `≥ ${written(goal.least)} × ${baseName(row.base)}`;
  const verdict = quick ? "" : ({ true: ": yes", false: ": **no**" }[reached(row)] ?? "");
  return what + verdict;
}

const baseName = (base) => base.work ?? (base.peer === "raw" ? "raw" : base.peer);

function failures(all) {
  if (all.length === 0) return [];
  const lines = all.map(({ work, peer, round, error }) => `- ${work}, ${peer}, round ${round}: ${error}`);
  return ["What failed:", "", ...lines, ""];
}

function machine({ machine, versions }) {
  const memory = `${(machine.memory_bytes / 2 ** 30).toFixed(0)} GiB`;
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.cores} cores of ${machine.cpu}, shared by server and client; ${memory}; ${machine.kernel}; ` +
      `${machine.system}; data on ${machine.data}. ${named.join(", ")}.`,
  ];
}
