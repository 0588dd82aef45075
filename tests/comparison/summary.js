// From measurements to rows: medians, ranges, and ratios within one round.

/** The middle of a list of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const spread = (values) =>
  values.length === 0 ? undefined : { median: median(values), min: Math.min(...values), max: Math.max(...values) };

/**
 * One entry per row of the table. `measurements` are `{ work, peer, round, figures }`, or with `error` instead of
 * `figures`. A cell has the good `values`, their median and range, their `ratio` to the row's base, how busy and how late
 * the client was, and how many `failed`.
 */
export function summary(works, peers, measurements) {
  const figure = (work, peer, round, key) =>
    measurements.find((one) => one.work === work && one.peer === peer && one.round === round)?.figures?.[key];

  const cell = (work, row, peer) => {
    const mine = measurements.filter((one) => one.work === work.name && one.peer === peer.name);
    if (mine.length === 0) return undefined;
    const base = baseOf(work, row, peer);
    const good = mine.filter((one) => one.figures !== undefined);
    const ratios = good.flatMap((one) => {
      const below = base && figure(base.work, base.peer, one.round, row.key);
      return below > 0 ? [one.figures[row.key] / below] : [];
    });
    const values = good.map((one) => one.figures[row.key] * (row.scale ?? 1));
    const busy = good.flatMap((one) => one.results?.client_busy ?? []);
    const late = good.flatMap((one) => one.results?.latency_us?.sent?.p99 ?? []);
    return {
      values,
      ...spread(values),
      ratio: spread(ratios),
      // Of the one core that the client can use; near 1 it was the bottleneck.
      client_busy: busy.length > 0 ? median(busy) : undefined,
      // By how much the client itself was late with one message in a hundred.
      client_late_us: late.length > 0 ? median(late) : undefined,
      failed: mine.length - good.length,
    };
  };

  return works.flatMap((work) =>
    work.rows.map((row) => ({
      work: work.name,
      key: row.key,
      title: row.title,
      unit: row.unit,
      more: row.more ?? false,
      base: baseOf(work, row, { name: "" }) && (row.base ?? { peer: "raw" }),
      goal: row.goal,
      cells: Object.fromEntries(
        peers.map((peer) => [peer.name, cell(work, row, peer)]).filter(([, cell]) => cell !== undefined),
      ),
    })),
  );
}

/** Whether Homeroom's figure is what it must be; `undefined` where nothing is asked or known. */
export function reached({ goal, cells: { homeroom } }) {
  if (goal === undefined || homeroom?.median === undefined) return undefined;
  if (goal.value !== undefined) return homeroom.median <= goal.value;
  if (homeroom.ratio === undefined) return undefined;
  return goal.most !== undefined ? homeroom.ratio.median <= goal.most : homeroom.ratio.median >= goal.least;
}

/** Where the figure stands that a peer's is a multiple of; nowhere if that is its own. */
function baseOf(work, row, peer) {
  if (row.base === null) return undefined;
  const base = row.base ?? { peer: "raw" };
  const where = { work: base.work ?? work.name, peer: base.peer ?? peer.name };
  return where.work === work.name && where.peer === peer.name ? undefined : where;
}
