// How numbers are written.

/** Three digits, as people read them: 5.38, 0.142, 38,000. */
export function written(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const rounded = size < 1000 ? Number(value.toPrecision(size < 0.01 ? 1 : 3)) : Number(value.toPrecision(4));
  if (Math.abs(rounded) >= 1000) return Math.round(rounded).toLocaleString("en");
  const digits = size < 0.01 ? 4 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toFixed(digits);
}

/** `5.38 (5.04–6.13)`, without the range where there is one value. */
export function withRange({ median, min, max }) {
  return min === max ? written(median) : `${written(median)} (${written(min)}–${written(max)})`;
}
