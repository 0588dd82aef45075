// Measures each way in turn, with a fresh broker each time, and writes what came out.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";

import { machine, versions } from "../comparison/machine.js";
import { placed, WAYS } from "./figures.js";
import { picture } from "./picture.js";
import { table } from "./table.js";

const HELP = `\
Measures what the four ways of broker/DASHBOARD.md cost.

  --rounds N       each way so often, in turn [3]
  --clients N      open pages [1000]
  --every TIME     between two updates [10s]
  --for TIME       how long each is measured [60s]
  --poll TIME      of short polling [2s]
  --together       all ways of a round at once, each with a broker of its own, their updates spread over the interval:
                   a round takes little more than a minute, and CPU time is still that of each broker
  --more           add the rounds to those in results.json
  --out FILE       write the results there, and leave the page and the picture as they are
  --report         measure nothing: make the table and the picture from results.json

Writes tests/dashboard/results.json, and from it the table in broker/DASHBOARD.md and broker/dashboard.svg.
`;

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const RESULTS = path.join(here, "results.json");
const PAGE = path.join(here, "../../broker/DASHBOARD.md");
const PICTURE = path.join(here, "../../broker/dashboard.svg");

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    clients: { type: "string", default: "1000" },
    every: { type: "string", default: "10s" },
    for: { type: "string", default: "60s" },
    poll: { type: "string", default: "2s" },
    together: { type: "boolean", default: false },
    more: { type: "boolean", default: false },
    out: { type: "string" },
    report: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) process.stdout.write(HELP);
else if (flags.report) await write(JSON.parse(await readFile(RESULTS, "utf8")));
else {
  for await (const report of measured()) {
    await writeFile(flags.out ?? RESULTS, `${JSON.stringify(report, null, 1)}\n`);
    if (!flags.out) await write(report);
  }
}

async function write(report) {
  await writeFile(PICTURE, picture(report));
  await writeFile(PAGE, placed(await readFile(PAGE, "utf8"), table(report)));
}

/** What is known after each round: whoever ends it early has the rounds before. */
async function* measured() {
  const { clients, every, poll, together } = flags;
  const settings = { clients: Number(clients), every, for: flags.for, poll, together };
  const before = flags.more ? JSON.parse(await readFile(RESULTS, "utf8")) : { rounds: 0, settings, measurements: [] };
  if (JSON.stringify(before.settings) !== JSON.stringify(settings)) {
    throw new Error(`--more: results.json was measured with ${JSON.stringify(before.settings)}; use the same`);
  }
  const { measurements } = before;
  for (let round = before.rounds + 1; round <= before.rounds + Number(flags.rounds); round += 1) {
    const one = async (way) => ({ round, way: way.name, results: await once(way, settings) });
    measurements.push(...(await (together ? atOnce : inTurn)(one, parseFloat(every))));
    yield {
      measured: new Date().toISOString().slice(0, 10),
      rounds: round,
      settings,
      machine: await machine(tmpdir()),
      versions: await versions(process.env.HOMEROOM_BIN, []),
      measurements,
    };
  }
}

async function inTurn(one) {
  const all = [];
  for (const way of WAYS) {
    console.error(way.title);
    all.push(await one(way));
  }
  return all;
}

function atOnce(one, everySeconds) {
  const share = (1000 * everySeconds) / WAYS.length;
  return Promise.all(WAYS.map((way, index) => pause(index * share).then(() => one(way))));
}

/** One measurement on a broker of its own. */
async function once(way, settings) {
  const directory = await mkdtemp(path.join(tmpdir(), "homeroom-dashboard-"));
  const any = "127.0.0.1:0";
  const serve = ["serve", "--listen", any, "--stomp", any, "--management", any, "--data", path.join(directory, "data")];
  const broker = spawn(process.env.HOMEROOM_BIN, serve, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  broker.stderr.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => broker.once("exit", resolve));
  try {
    const line = await Promise.race([
      new Promise((resolve) => createInterface({ input: broker.stdout }).once("line", resolve)),
      ended.then((code) => Promise.reject(new Error(`the broker ended with exit code ${code}:\n${said}`))),
    ]);
    const { http } = JSON.parse(line);
    const { clients, every, poll } = { ...settings, ...way.settings };
    const bench = [
      ...["bench", "doors", "--json", "--way", way.door, "--url", `ws://${http}/ws`, "--server-pid", `${broker.pid}`],
      ...["--clients", `${clients}`, "--every", every, "--for", settings.for, "--poll", poll, "--warm-up", "3"],
    ];
    const before = (process.env.MEASURE_WITH ?? "").split(" ").filter(Boolean);
    const [program, ...rest] = [...before, process.env.HOMEROOM_BIN, ...bench];
    const { stdout } = await promisify(execFile)(program, rest);
    return JSON.parse(stdout).results;
  } finally {
    broker.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true });
  }
}
