// What is measured, in the order of the table.
//
// A work is one measurement of one peer: `{ name, peers, sizes: { full, quick }, rounds?, big?, rows, measure }`.
// `measure({ peer, size, binary, withServer, run })` resolves to `{ figures, results }`: `figures` has a number for the
// `key` of each row, `results` is kept as evidence. A row is one line of the table:
//
//   key, title, unit   which figure, what it is, after `scale`
//   more               more is better
//   base               what it is a multiple of, in the same round: { peer } or { work } (of the same peer); null: of
//                      nothing; raw if left out
//   goal               for Homeroom: { most } or { least } as a multiple of the base, or { value } at most

import { CURSORS } from "./cursors.js";
import { DISK } from "./disk.js";
import { GROWTH } from "./growth.js";
import { LOADS } from "./loads.js";
import { OPENING } from "./opening.js";
import { STALLED } from "./stalled.js";

export const WORKS = [...LOADS, DISK, STALLED, ...GROWTH, ...CURSORS, ...OPENING];
