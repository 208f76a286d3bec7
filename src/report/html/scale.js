// Scales lead a value to a place between 0 and 1. Their ticks are values.

/** Steps of 1, 2 or 5 that lie within [low, high]. */
function roundTicks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) ticks.push(index * step || 0);
  return ticks;
}

function linearScale(low, high, count = 5) {
  const span = high - low || 1;
  return { at: (value) => (value - low) / span, ticks: roundTicks(low, high, count), low, high };
}

/** Values must be above zero. Ticks are powers of ten, or finer ones, as long as there is room for them. */
function logScale(low, high, count = 5) {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const decades = (factors) => {
    const ticks = [];
    for (let power = Math.floor(from); power <= to; power++) ticks.push(...factors.map((factor) => factor * 10 ** power));
    return ticks.filter((tick) => tick >= low * 0.9999 && tick <= high * 1.0001);
  };
  const offers = [decades([1]), decades([1, 3]), decades([1, 2, 5]), roundTicks(low, high, count - 1)];
  const ticks = offers.filter((offer) => offer.length <= count + 2).sort((a, b) => b.length - a.length)[0] || offers[0];
  return { at: (value) => (Math.log10(value) - from) / (to - from || 1), ticks, low, high };
}

/** Shares by the logarithm of what is missing from 1: from 90 % to 95 % is as far as from 95 % to 97.5 %. */
function errorScale(low, high, smallest) {
  const far = (share) => -Math.log10(Math.max(1 - share, smallest));
  const [from, to] = [far(low), far(high)];
  const span = to - from || 1;
  const at = (value) => (far(value) - from) / span;
  const ticks = [];
  for (const tick of [0, 0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999]) {
    const room = ticks.length === 0 || at(tick) - at(ticks[ticks.length - 1]) > 0.09;
    if (tick >= low && tick <= high && room) ticks.push(tick);
  }
  return { at, ticks, low, high };
}

/** How much of a broken scale's height is for what is below the break, and where the upper part begins. */
const BELOW = 0.16;
const ABOVE = 0.22;

/** Two linear parts: all below `cut` in a strip at the bottom, so that nothing is out of the picture. */
function brokenScale(low, cutLow, cut, high, count = 5) {
  const below = linearScale(low, cutLow);
  const above = linearScale(cut, high, count);
  const at = (value) => (value < cut ? Math.min(1, below.at(value)) * BELOW : ABOVE + above.at(value) * (1 - ABOVE));
  const ticks = [...roundTicks(low, cutLow, 1), ...above.ticks].filter((tick) => tick <= cutLow || tick >= cut);
  return { at, ticks, low, high, cut };
}

/** The middle of the widest gap that leaves few values below it and makes the rest easier to tell apart; or null. */
function widestGap(values) {
  const sorted = values.filter(isNumber).sort((a, b) => a - b);
  const span = sorted[sorted.length - 1] - sorted[0];
  let best = null;
  for (let index = 1; index < sorted.length && index <= sorted.length * 0.4; index++) {
    const gap = sorted[index] - sorted[index - 1];
    const rest = sorted[sorted.length - 1] - sorted[index];
    if (gap > span * 0.3 && rest < span * 0.4 && gap > (best?.gap || 0)) {
      best = { gap, below: sorted[index - 1], above: sorted[index] };
    }
  }
  return best;
}

/** [low, high] with some room on both sides. */
function padded(low, high, share) {
  const room = (high - low) * share || Math.abs(high) * share || 1;
  return [low - room, high + room];
}
