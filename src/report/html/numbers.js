// Numbers as people write them. A quantity that was not measured is a dash.

const DASH = "–";
const THIN = "\u202f"; // a narrow space that does not break: between a number and its unit

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** `decimals` digits behind the point, thousands apart, and a true minus sign. */
function fixed(value, decimals) {
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (value < 0 && /[1-9]/.test(text) ? "\u2212" : "") + text;
}

/** How many digits behind the point show about `digits` digits of the value. */
function decimalsFor(value, digits) {
  if (!value) return 0;
  return Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

function significant(value, digits = 3) {
  return isNumber(value) ? fixed(value, decimalsFor(value, digits)) : DASH;
}

/** What a value of the metric is divided by, the unit behind it, and the digits behind the point. */
function scaleOf(metric, value) {
  const size = Math.abs(value);
  if (metric.unit === "share") return { by: 0.01, unit: "%", decimals: 1 };
  if (metric.unit === "B") {
    const step = Math.min(4, Math.max(0, Math.floor(Math.log2(size || 1) / 10)));
    return { by: 1024 ** step, unit: ["B", "KiB", "MiB", "GiB", "TiB"][step], decimals: step ? 1 : 0 };
  }
  if (size >= 10000 && !metric.unit) {
    const step = Math.min(4, Math.floor(Math.log10(size) / 3));
    const by = 1000 ** step;
    return { by, unit: ["", "k", "M", "G", "T"][step], decimals: decimalsFor(size / by, 3) };
  }
  const decimals = Number.isInteger(value) ? 0 : decimalsFor(size, 3);
  return { by: 1, unit: metric.unit || "", decimals };
}

const withUnit = (text, unit) => (unit ? text + THIN + unit : text);

/** A value of a metric with its unit: `91.2 %`, `84.3 k`, `3.9 KiB`, `0.82 ms`. */
function measure(metric, value) {
  if (!isNumber(value)) return DASH;
  const { by, unit, decimals } = scaleOf(metric, value);
  return withUnit(fixed(value / by, decimals), unit);
}

/** Mean and standard deviation on one scale: `91.2 ± 0.3 %`. Without a spread only the mean. */
function measureWithSpread(metric, summary) {
  if (!summary || !isNumber(summary.mean)) return DASH;
  if (!isNumber(summary.sd) || summary.sd === 0) return measure(metric, summary.mean);
  const { by, unit, decimals } = scaleOf(metric, summary.mean);
  const spread = fixed(summary.sd / by, decimals);
  if (!/[1-9]/.test(spread)) return measure(metric, summary.mean);
  return withUnit(`${fixed(summary.mean / by, decimals)} ± ${spread}`, unit);
}

/** An interval in the unit of the value that it is around, which is not said again: `91.0 to 91.5`. */
function interval(metric, around, low, high) {
  const { by, decimals } = scaleOf(metric, around);
  return `${fixed(low / by, decimals)} to ${fixed(high / by, decimals)}`;
}

/** A difference of a metric with its sign; shares differ by points. */
function difference(metric, value) {
  if (!isNumber(value)) return DASH;
  const { by, unit, decimals } = scaleOf(metric, value);
  const text = fixed(value / by, decimals);
  return withUnit(value > 0 ? `+${text}` : text, unit === "%" ? "pt" : unit);
}

/** A probability of a test, as papers print it. */
function probability(p) {
  if (!isNumber(p)) return DASH;
  return p < 0.001 ? "<" + THIN + "0.001" : fixed(p, p < 0.1 ? 3 : 2);
}

/** A share of the reference: `0.31×`. */
function times(share) {
  return isNumber(share) ? `${significant(share, 2)}×` : DASH;
}

/** A time with the unit that fits. */
function duration(seconds) {
  if (!isNumber(seconds)) return DASH;
  if (seconds < 1) return withUnit(fixed(seconds * 1000, 0), "ms");
  if (seconds < 60) return withUnit(fixed(seconds, 1), "s");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${THIN}min ${Math.floor(seconds % 60)}${THIN}s`;
  return `${fixed(Math.floor(minutes / 60), 0)}${THIN}h ${minutes % 60}${THIN}min`;
}

/** `1 network`, `12 networks`. */
function plural(count, one, many = `${one}s`) {
  return `${fixed(count, 0)} ${count === 1 ? one : many}`;
}
