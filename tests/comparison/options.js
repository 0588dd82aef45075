// The command line.

import { parseArgs } from "node:util";

import { PEERS } from "./peers/index.js";
import { WORKS } from "./works/index.js";

export const HELP = `\
Runs Homeroom and its peers on this machine, in turn, and compares them.

  tests/comparison/run                                everything, about 40 minutes
  tests/comparison/run --only fanout,idle             these works
  tests/comparison/run --peers raw,homeroom           these peers
  tests/comparison/run --quick                        one tiny round: does it all work? Its figures say nothing

  --rounds N       rounds, each with every peer in turn [default: 5]
  --minutes N      begin nothing more after so long [default: 40]
  --big            also what takes very long
  --into DIR       where the table, the figures and the picture go [default: results/ for a whole run,
                   tests/.cache/comparison for a part]
  --binary FILE    the homeroom to measure [default: HOMEROOM_BIN, or it is built]
  --list           the names of works and peers

Nothing else should run meanwhile. Data directories are made in TMPDIR, or /var/tmp: name a real disk, since some
machines keep /tmp in memory.`;

/** Reads the words of the command line. Fails with a sentence that says what to write instead. */
export function options(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      rounds: { type: "string" },
      minutes: { type: "string", default: "40" },
      only: { type: "string" },
      peers: { type: "string" },
      into: { type: "string" },
      binary: { type: "string" },
      quick: { type: "boolean", default: false },
      big: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { quick, big, list, help } = values;
  const works = chosen("--only", values.only, WORKS).filter((work) => big || values.only || !work.big);
  return {
    quick,
    list,
    help,
    works,
    peers: chosen("--peers", values.peers, PEERS),
    rounds: number("--rounds", values.rounds ?? (quick ? "1" : "5"), 1000),
    minutes: number("--minutes", values.minutes, 24 * 60),
    binary: values.binary ?? process.env.HOMEROOM_BIN,
    into: values.into,
    whole: !quick && values.only === undefined && values.peers === undefined,
  };
}

function chosen(flag, names, all) {
  if (names === undefined) return all;
  const wanted = names.split(",").filter(Boolean);
  const known = all.map((one) => one.name);
  const stranger = wanted.find((name) => !known.includes(name));
  if (stranger !== undefined || wanted.length === 0) {
    throw new Error(`${flag} ${names}: "${stranger ?? ""}" is none of ${known.join(", ")}.`);
  }
  return all.filter((one) => wanted.includes(one.name));
}

function number(flag, text, most) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new Error(`${flag} ${text}: write a whole number from 1 to ${most}.`);
  }
  return value;
}
