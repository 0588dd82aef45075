// Measures, round by round, and writes what came out. `./run` installs what this needs and starts it.

import { existsSync } from "node:fs";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import { bench } from "./bench.js";
import { written } from "./figures.js";
import { machine, versions } from "./machine.js";
import { HELP, options } from "./options.js";
import { withServer } from "./peers/index.js";
import { DATA } from "./peers/server.js";
import { picture } from "./picture.js";
import { plan, remaining } from "./plan.js";
import { summary } from "./summary.js";
import { table } from "./table.js";

/** A load that takes longer than this hangs. */
const LOAD_SECONDS = 240;

async function main() {
  const asked = options(process.argv.slice(2));
  if (asked.help) return console.log(HELP);
  if (asked.list) return list(asked);
  if (asked.binary === undefined) throw new Error("Name the broker: --binary target/release/homeroom.");

  const binary = path.resolve(asked.binary);
  if (!existsSync(binary)) {
    throw new Error(`--binary ${asked.binary}: there is no such file. Build it, or name another.`);
  }
  const into = path.resolve(asked.into ?? (asked.whole ? here("results") : here("../.cache/comparison")));
  await mkdir(into, { recursive: true });
  const evidence = path.join(into, "measurements.jsonl");
  await writeFile(evidence, "");

  const steps = plan(asked);
  const began = performance.now();
  const minutes = () => (performance.now() - began) / 60_000;
  const measurements = [];
  for (const [index, step] of steps.entries()) {
    if (minutes() > asked.minutes) {
      console.error(`Stopped after ${asked.minutes} minutes with ${steps.length - index} measurements to go.`);
      break;
    }
    const left = remaining(steps.slice(index), measurements) / 60;
    const time = `${minutes().toFixed(0)} min, about ${left.toFixed(0)} to go`;
    process.stderr.write(
      `[${index + 1}/${steps.length}, round ${step.round}, ${time}] ${step.work.name}, ${step.peer.name}: `,
    );
    const measurement = await measure(step, asked, binary);
    console.error(`${outcome(step.work, measurement)} (${measurement.seconds.toFixed(0)} s)`);
    measurements.push(measurement);
    await appendFile(evidence, `${JSON.stringify(measurement)}\n`);
  }
  await write(into, await report(asked, binary, measurements));
  console.error(`\n${path.relative(".", into)}: table.md, results.json, comparison.svg, measurements.jsonl`);
  // A tiny round is a test of this program: what failed in it is a fault.
  if (asked.quick && measurements.some(({ error }) => error !== undefined)) process.exitCode = 1;
}

/** One measurement, or why there is none: a peer that falls over is a result too. */
async function measure({ round, work, peer }, { quick }, binary) {
  const began = performance.now();
  const about = { work: work.name, peer: peer.name, round };
  const context = {
    peer,
    binary,
    size: work.sizes[quick ? "quick" : "full"],
    withServer: (options, use) => withServer(peer, { binary, options }, use),
    run: (server, load, flags) => bench(binary, server, load, flags, LOAD_SECONDS),
  };
  const measured = await work.measure(context).catch((error) => ({ error: error.message.slice(0, 300) }));
  return { ...about, ...measured, seconds: (performance.now() - began) / 1000 };
}

function outcome(work, { figures, error }) {
  if (error !== undefined) return `FAILED, ${error}`;
  return work.rows.map((row) => `${written(figures[row.key] * (row.scale ?? 1))} ${row.unit}`).join(", ");
}

async function report({ works, peers, whole, quick }, binary, measurements) {
  const failed = measurements.filter(({ error }) => error !== undefined);
  return {
    measured: new Date().toISOString().slice(0, 10),
    whole,
    quick,
    rounds: Math.max(0, ...measurements.map(({ round }) => round)),
    machine: await machine(DATA),
    versions: await versions(binary, peers),
    peers: peers.map(({ name, title }) => ({ name, title })),
    rows: summary(works, peers, measurements),
    failures: failed.map(({ work, peer, round, error }) => ({ work, peer, round, error })),
  };
}

async function write(into, report) {
  await writeFile(path.join(into, "results.json"), `${JSON.stringify(report, undefined, 1)}\n`);
  await writeFile(path.join(into, "table.md"), table(report));
  await writeFile(path.join(into, "comparison.svg"), picture(report));
  console.log(table(report));
}

function list({ works, peers }) {
  works.forEach(({ name, rows }) => console.log(`${name.padEnd(16)}${rows.map(({ title }) => title).join("; ")}`));
  console.log(`\n${peers.map(({ name }) => name).join(", ")}`);
}

const here = (name) => path.join(import.meta.dirname, name);

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 2;
});
