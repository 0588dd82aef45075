// A client that was made from the document of a running broker, compiled, and used.
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const [address, directory] = process.argv.slice(2);
const here = import.meta.dirname;
symlinkSync(join(here, 'node_modules'), join(directory, 'node_modules'));
writeFileSync(join(directory, 'homeroom.d.ts'), astToString(await openapiTS(new URL('/openapi.json', address))));
say({ event: 'generated' });
writeFileSync(join(directory, 'lesson.mts'), readFileSync(join(here, 'lesson.mts')));
const flags = ['--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022', 'lesson.mts'];
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), ...flags], { cwd: directory, stdio: ['ignore', 2, 2] });
say({ event: 'compiled' });
const { lesson } = await import(pathToFileURL(join(directory, 'lesson.mjs')));
say({ event: 'read', body: await lesson(address) });

function say(what) {
  console.log(JSON.stringify(what));
}
