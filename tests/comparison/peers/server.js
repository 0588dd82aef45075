// One process of a peer: started, waited for, stopped, with a directory that is gone afterwards.

import { spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

/** Where data directories go. Not /tmp, which is memory on many machines and would make every disk fast. */
export const DATA = process.env.TMPDIR ?? "/var/tmp";

/** A directory for one run of a server. */
export const freshDirectory = (name) => mkdtemp(path.join(DATA, `comparison-${name}-`));

export const remove = (directory) => rm(directory, { recursive: true, force: true, maxRetries: 5 });

/** A port of the loopback address that nobody listens on now. */
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts `command` in a process group of its own. What it says goes to `server.log` in `directory`, but for
 * standard output if `announces`: then its first line there, within `seconds`, is the `announcement`.
 */
export async function startProcess({ command, flags, directory, environment = {}, announces = false, seconds = 60 }) {
  const log = openSync(path.join(directory, "server.log"), "a");
  const child = spawn(command, flags, {
    cwd: directory,
    detached: true,
    env: { ...process.env, ...environment },
    stdio: ["ignore", announces ? "pipe" : log, log],
  });
  closeSync(log);
  running.add(child);
  let end;
  let stopped = false;
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).then((how) => {
    running.delete(child);
    return (end = how);
  });
  const process_ = {
    pid: child.pid,
    announcement: undefined,
    /** How it ended, if it has; and once it has. */
    end: () => end,
    ended,
    log: () => readFile(path.join(directory, "server.log"), "utf8").catch(() => ""),
    /** Ends it in good order, or at once, and waits until it is gone. */
    stop: async (signal = "SIGKILL") => {
      // Once it is gone its number may be another's.
      if (stopped) return ended;
      stopped = true;
      signalGroup(child, signal);
      await ended;
      signalGroup(child, "SIGKILL");
    },
  };
  if (announces) {
    const patience = setTimeout(() => signalGroup(child, "SIGKILL"), seconds * 1000);
    process_.announcement = await Promise.race([firstLine(child.stdout), ended.then(() => undefined)]);
    clearTimeout(patience);
    if (process_.announcement === undefined) throw new Error(await why(process_, path.basename(command)));
  }
  return process_;
}

/** Tries `answer` until it succeeds. Gives up when the process ends, or after `seconds`. */
export async function ready(process_, name, answer, seconds = 60) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const failure = await answer().then(
      () => undefined,
      (error) => error,
    );
    if (failure === undefined) return;
    if (process_.end() !== undefined) throw new Error(await why(process_, name));
    if (performance.now() > deadline) {
      await process_.stop();
      throw new Error(`${name} did not answer within ${seconds} s (${failure.message})`);
    }
    await pause(50);
  }
}

/** The first descendant of a process whose program has this name: the one that does the work. */
export async function descendant(pid, name) {
  const program = (await readFile(`/proc/${pid}/comm`, "utf8")).trim();
  if (program === name) return pid;
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
  for (const child of children.split(" ").filter(Boolean)) {
    const found = await descendant(Number(child), name).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function why(process_, name) {
  const last = (await process_.log()).trim().split("\n").slice(-3).join(" / ");
  return `${name} ended with ${process_.end()}${last && `: ${last}`}`;
}

function firstLine(stream) {
  return new Promise((resolve) => {
    const lines = createInterface({ input: stream });
    lines.once("line", (line) => {
      resolve(line);
      // Whatever follows must not fill the pipe.
      stream.resume();
    });
  });
}

const running = new Set();

function signalGroup(child, signal) {
  // What could not be started has no id.
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

// Nothing outlives this program, however it ends.
process.on("exit", () => running.forEach((child) => signalGroup(child, "SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
