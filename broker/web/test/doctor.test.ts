// The cases that `homeroom doctor` passes as well: the same findings, in the same words.

import assert from "node:assert/strict";
import { test } from "node:test";

import all from "../src/doctor/cases.json";
import { judge } from "../src/doctor/judge.ts";
import type { Measurements } from "../src/doctor/measurements.ts";
import { report, said } from "../src/doctor/words.ts";

type Json = { [name: string]: Json } | unknown;

/** `change` laid over `base`, member by member. */
function laidOver(base: Json, change: Json): Json {
  const isObject = (value: Json): value is Record<string, Json> => typeof value === "object" && value !== null;
  if (!isObject(base) || !isObject(change) || "is" in change) return change;
  const changed = Object.entries(change).map(([name, value]) => [name, laidOver(base[name], value)]);
  return { ...base, ...Object.fromEntries(changed) };
}

interface Case {
  readonly name: string;
  readonly measured: Json;
  readonly findings: readonly string[];
  readonly says?: readonly string[];
  readonly report?: readonly string[];
}

for (const { name, measured: change, findings, says = [], report: lines } of all.cases as Case[]) {
  test(`the doctor: ${name}`, () => {
    const measured = laidOver(all.base, change) as Measurements;
    const found = judge(measured);
    assert.deepEqual(found.map(({ id }) => id), findings);
    const text = report(measured, found.map(said));
    assert.ok(!/[{}]/.test(text), text);
    for (const words of says) assert.ok(text.includes(words), `${words} is not in\n${text}`);
    if (lines) assert.deepEqual(text.split("\n"), lines);
  });
}
