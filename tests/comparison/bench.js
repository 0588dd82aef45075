// Runs `homeroom bench LOAD … --json --server-pid` against a peer and reads what it says.

import { execFile } from "node:child_process";

/** The `results` of one load. Fails with what the load wrote to standard error. */
export function bench(binary, server, load, flags, seconds) {
  const all = [
    "bench",
    load,
    "--url",
    server.url,
    "--server-pid",
    `${server.pid}`,
    "--json",
    ...server.flags,
    ...flags,
  ];
  const options = { timeout: seconds * 1000, killSignal: "SIGKILL", maxBuffer: 16 << 20 };
  return new Promise((resolve, reject) => {
    execFile(binary, all.map(String), options, (error, output, complaint) => {
      if (error?.killed) reject(new Error(`no result within ${seconds} s`));
      else if (error) reject(new Error(complaint.trim().split("\n").slice(-3).join(" ") || error.message));
      else resolve(results(output));
    });
  });
}

/** The `results` in what a load prints. */
export function results(output) {
  const report = JSON.parse(output);
  if (typeof report.results !== "object" || report.results === null) throw new Error("the report has no results");
  return report.results;
}

/** One figure: `latency_us.last.p50` is `p50` of `last` of `latency_us`. */
export function figure(results, path) {
  const value = path.split(".").reduce((inside, key) => inside?.[key], results);
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`the report has no number ${path}`);
  return value;
}
