// In which order things are measured.

/**
 * Round by round, in each every work, in each work every peer in turn: A B C, then B C A, so that nobody is always
 * first. A ratio is taken between neighbours.
 */
export function plan({ works, peers, rounds }) {
  const steps = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const work of works) {
      if (round > (work.rounds ?? rounds)) continue;
      const able = peers.filter((peer) => work.peers.includes(peer.name));
      able.forEach((_, turn) => steps.push({ round, work, peer: able[(turn + round - 1) % able.length] }));
    }
  }
  return steps;
}

/** How long the steps will take, in seconds, by what the same ones took before. */
export function remaining(steps, measurements) {
  const times = measurements.map(({ seconds }) => seconds);
  const usual = times.length === 0 ? UNKNOWN_SECONDS : times.reduce((sum, time) => sum + time, 0) / times.length;
  return steps.reduce((sum, { work, peer }) => {
    const before = measurements.findLast((one) => one.work === work.name && one.peer === peer.name);
    return sum + (before?.seconds ?? usual);
  }, 0);
}

const UNKNOWN_SECONDS = 12;
