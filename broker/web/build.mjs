// Bundles the lesson page, or its unit tests, into the directory that is named.
//
//   node build.mjs DIRECTORY            index.html, doctor.html and assets/ with hashed names
//   node build.mjs --tests DIRECTORY    the unit tests, ready for `node --test`

import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const [what, where] = process.argv[2] === "--tests" ? ["tests", process.argv[3]] : ["page", process.argv[2]];
if (!where) throw new Error("usage: node build.mjs [--tests] DIRECTORY");
const target = path.resolve(where);

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await (what === "tests" ? bundleTests() : bundlePage());

async function bundlePage() {
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: ["src/main.ts", "src/doctor/doctor.ts", "src/style.css", "src/icon.svg"],
    bundle: true,
    minify: true,
    charset: "utf8",
    format: "esm",
    target: ["es2022", "chrome100", "firefox102", "safari15.4"],
    loader: { ".svg": "copy" },
    outbase: "src",
    outdir: path.join(target, "assets"),
    entryNames: "[name]-[hash]",
    legalComments: "eof",
    banner: { js: "/* With @stomp/stompjs (Apache-2.0) and lit-html (BSD-3-Clause). */" },
    metafile: true,
    logLevel: "warning",
  });

  for (const page of ["index.html", "doctor.html"]) {
    let html = await readFile(path.join(here, "src", page), "utf8");
    for (const [output, { entryPoint, inputs }] of Object.entries(metafile.outputs)) {
      const source = entryPoint ?? Object.keys(inputs)[0];
      html = html.replaceAll(`./${path.basename(source)}`, `/assets/${path.basename(output)}`);
    }
    await writeFile(path.join(target, page), html);
  }
}

async function bundleTests() {
  const tests = (await readdir(path.join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
  await build({
    absWorkingDir: here,
    entryPoints: tests.map((name) => `test/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    sourcemap: "inline",
    outdir: target,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
}
