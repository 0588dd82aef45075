// What this machine is, and what the kernel counts of a process, its sockets and a directory.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** On what it was measured, with the data in this directory: a description for the results. */
export async function machine(data) {
  const distribution = await readFile("/etc/os-release", "utf8").catch(() => "");
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.cpus().length,
    memory_bytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    system: distribution.match(/^PRETTY_NAME="?([^"\n]*)/m)?.[1] ?? "unknown",
    data: execFileSync("df", ["--output=fstype", data], { encoding: "utf8" }).trim().split("\n").at(-1),
  };
}

/** Which broker, by commit where `./run` built it and by content otherwise; which peers, which Node. */
export async function versions(binary, peers) {
  const version = execFileSync(binary, ["--version"], { encoding: "utf8" })
    .trim()
    .replace(/^homeroom /, "");
  const content = createHash("sha256")
    .update(await readFile(binary))
    .digest("hex")
    .slice(0, 12);
  const origin = process.env.HOMEROOM_COMMIT ? `commit ${process.env.HOMEROOM_COMMIT}` : `binary ${content}`;
  const others = peers.filter((peer) => peer.version).map((peer) => [peer.name, peer.version()]);
  return { homeroom: `${version} (${origin})`, ...Object.fromEntries(others), node: process.versions.node };
}

/** Resident memory of a process in bytes. */
export async function residentBytes(pid) {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(text.match(/^Rss:\s+(\d+) kB/m)[1]) * 1024;
}

/** Memory of all TCP sockets of this machine in bytes. The kernel counts it per core, to a MiB each. */
export async function tcpMemoryBytes() {
  const text = await readFile("/proc/net/sockstat", "utf8");
  return Number(text.match(/^TCP:.* mem (\d+)/m)[1]) * PAGE_BYTES;
}

/**
 * Bytes that wait in the kernel on the server's side of a connection, from its port to the client's;
 * `undefined` when the server has given the connection up.
 */
export async function waitingInKernel(serverPort, clientPort) {
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8").catch(() => "")),
  );
  return sendQueue(tables.join(""), serverPort, clientPort);
}

/** The `tx_queue` of one established connection in the text of `/proc/net/tcp`. */
export function sendQueue(table, serverPort, clientPort) {
  const ESTABLISHED = "01";
  for (const line of table.split("\n")) {
    const [, local, remote, state, queues] = line.trim().split(/\s+/);
    const port = (address) => parseInt(address?.split(":").at(-1), 16);
    if (state === ESTABLISHED && port(local) === serverPort && port(remote) === clientPort) {
      return parseInt(queues.split(":")[0], 16);
    }
  }
  return undefined;
}

/** Bytes that a directory takes on the disk, as `du` counts them. */
export async function diskBytes(directory) {
  const names = await readdir(directory, { withFileTypes: true });
  const sizes = names.map(async (entry) => {
    const full = path.join(directory, entry.name);
    // Servers delete files while we look.
    if (entry.isDirectory()) return diskBytes(full).catch(() => 0);
    return lstat(full).then(
      (file) => file.blocks * 512,
      () => 0,
    );
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Asks until the answer has not moved for `calm` seconds, for at most `seconds`. */
export async function settled(ask, calm, seconds = 30) {
  const deadline = performance.now() + seconds * 1000;
  let last = await ask();
  let since = performance.now();
  while (performance.now() < deadline && performance.now() - since < calm * 1000) {
    await pause(100);
    const now = await ask();
    if (now !== last) [last, since] = [now, performance.now()];
  }
  return last;
}

const PAGE_BYTES = 4096;
