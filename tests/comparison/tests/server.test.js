import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import net from "node:net";
import test from "node:test";

import { withServer } from "../peers/index.js";
import { freePort, startProcess } from "../peers/server.js";

/** A peer whose server is this program; it stays until it is stopped unless it says otherwise. */
const peer = (program, more = {}) => ({
  name: "pretender",
  title: "Pretender",
  async start({ directory }) {
    const flags = ["-e", `${program}; setInterval(() => {}, 1000)`];
    const process_ = await startProcess({ command: process.execPath, flags, directory, announces: true, ...more });
    return { process: process_, pid: process_.pid, directory };
  },
});

const lives = (pid) => existsSync(`/proc/${pid}`);

test("a server that has announced itself is used, stopped and forgotten", async () => {
  const server = await withServer(peer("console.log('here'); console.error('hm')"), {}, async (server) => {
    assert.equal(server.process.announcement, "here");
    assert.ok(lives(server.pid));
    return server;
  });
  assert.ok(!lives(server.pid));
  assert.ok(!existsSync(server.directory));
});

test("a server that does not start says why", async () => {
  const program = "console.error('no disk'); process.exit(3)";
  await assert.rejects(withServer(peer(program), {}, assert.fail), /ended with exit code 3: no disk/);
});

test("a server that announces nothing is not waited for for ever", async () => {
  await assert.rejects(withServer(peer("", { seconds: 0.1 }), {}, assert.fail), /ended with SIGKILL/);
});

test("a program that is not there is named", async () => {
  const missing = { command: "no-such-broker", flags: [], directory: "/tmp", announces: true };
  await assert.rejects(startProcess(missing), /no-such-broker/);
});

test("a server that falls over during its work is a result, with its name", async () => {
  const use = async ({ pid, process: process_ }) => {
    process.kill(pid, "SIGKILL");
    await process_.stop();
    throw new Error("the line broke");
  };
  await assert.rejects(
    withServer(peer("console.log('here')"), {}, use),
    /Pretender ended with SIGKILL: the line broke/,
  );
});

test("a server that hangs is stopped, and the work with it", async () => {
  const use = async ({ process: process_ }) => {
    await process_.ended;
    throw new Error("the line broke");
  };
  const hanging = withServer(peer("console.log('here')"), { seconds: 0.1 }, use);
  await assert.rejects(hanging, /Pretender had not done it within 0.1 s/);
});

test("a free port can be listened on", async () => {
  const server = net.createServer();
  const port = await freePort();
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  server.close();
});
