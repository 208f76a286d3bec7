// The document, and the networks, groups and series in it. Any key may be absent.

const report = JSON.parse(document.getElementById("report").textContent);

const list = (value) => (Array.isArray(value) ? value : []);
const entries = (value) => Object.entries(value || {});

/** Values of axes as text: names as they are, everything else as in JSON. */
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** The name of a class of a row; its number where the document has no names. */
const classOf = (row, index) => list(row.classes)[index] ?? `class ${index}`;

/** The manifest's values for a row, and what images are normalised by for its network. */
const settingsOf = (row) => [...list(row.settings),
  ...entries(row.normalization).map(([name, values]) => [`normalization.${name}`, list(values).join(", ")])];

/** What tells one axis's value from another. */
const identity = (value) => JSON.stringify(value);

/** `name[axis=value,…]`, as the other commands write an instance. */
function instanceName(name, axes) {
  const inside = entries(axes).map(([axis, value]) => `${axis}=${shown(value)}`).join(",");
  return inside ? `${name}[${inside}]` : String(name);
}

/** Axes whose values are seeds, whatever they are called. */
const seedAxes = list(report.axes).filter((axis) => axis.seed).map((axis) => axis.name);
const isSeed = (axis) => seedAxes.includes(axis);

/** An instance's seed; undefined where none reaches it. */
const seedOf = (item) => item.axes?.[seedAxes.find((axis) => axis in (item.axes || {}))];

const withoutSeed = (axes) => Object.fromEntries(entries(axes).filter(([axis]) => !isSeed(axis)));

/** Rows that differ only in their seed have the same key, and so does their group. */
function groupKey(evaluation, name, axes) {
  const sorted = entries(withoutSeed(axes)).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([evaluation, name, sorted]);
}

/** Sizes and costs, in the order in which they are offered; all other metrics say how good a network is. */
const COSTS = ["parameters", "nonzeros", "macs", "bytes", "dense-bytes", "latency-ms", "throughput"];

/** Titles and units of the metrics that every evaluation has, where the document does not say. */
const KNOWN_METRICS = {
  "top1": { title: "top-1", unit: "share", "higher-is-better": true },
  "balanced-accuracy": { title: "balanced accuracy", unit: "share", "higher-is-better": true },
  "top5": { title: "top-5", unit: "share", "higher-is-better": true },
  "loss": { title: "loss" },
  "nonzeros": { title: "non-zero parameters" },
  "macs": { title: "MACs" },
  "bytes": { title: "stored bytes", unit: "B" },
  "dense-bytes": { title: "dense bytes", unit: "B" },
  "latency-ms": { title: "latency", unit: "ms" },
  "throughput": { title: "throughput", unit: "images/s", "higher-is-better": true },
  "efficiency": { title: "efficiency", "higher-is-better": true },
};

const rows = list(report.rows).map((row) => ({ ...row, axes: row.axes || {}, values: row.values || {} }));

/** Groups as the document has them, or each row alone where it has none. */
const groups = (list(report.groups).length ? list(report.groups) : rows.map((row) => ({
  evaluation: row.evaluation, name: row.name, axes: row.axes, reference: row.reference, alone: row,
  values: Object.fromEntries(entries(row.values).map(([name, value]) => [name, { mean: value }])),
}))).map((group) => ({ ...group, axes: group.axes || {}, values: group.values || {}, rows: [] }));

{
  const byKey = new Map(groups.map((group) => [group.alone || groupKey(group.evaluation, group.name, group.axes), group]));
  for (const row of rows) {
    row.group = groups[row.group] || byKey.get(row) || byKey.get(groupKey(row.evaluation, row.name, row.axes)) || null;
    if (row.group) row.group.rows.push(row);
  }
  // What was measured on other images is another evaluation: it stands beside nothing of this one.
  for (const item of [...groups, ...rows]) item.section = item.evaluation;
  const several = (section, key) => new Set(groups.filter((group) => group.section === section).map((group) => group[key])).size > 1;
  const named = new Map([...new Set(groups.map((group) => group.section))].map((section) =>
    [section, { data: several(section, "data"), split: several(section, "split") }]));
  for (const group of groups) {
    const by = named.get(group.section);
    group.evaluation = [`${group.section}${by.data ? ` of ${group.data}` : ""}`, by.split ? group.split : null].filter(Boolean).join(", ");
  }
  for (const row of rows) if (row.group) row.evaluation = row.group.evaluation;
}

const metrics = (() => {
  const measured = new Set();
  for (const row of rows) for (const [name, value] of entries(row.values)) if (isNumber(value)) measured.add(name);
  for (const group of groups) for (const [name, value] of entries(group.values)) if (isNumber(value?.mean)) measured.add(name);
  const told = list(report.metrics);
  const names = [...new Set([...told.map((metric) => metric.name), ...measured])].filter((name) => measured.has(name));
  return names.map((name) => {
    const known = { name, title: name, unit: "", "higher-is-better": false, ...KNOWN_METRICS[name] };
    return { ...known, ...told.find((metric) => metric.name === name) };
  });
})();

const metricNamed = (name) => metrics.find((metric) => metric.name === name) || null;
const TIMES = ["latency-ms", "throughput"];
const unlikeTimes = list(report["unlike-times"]);

/** The conditions of the times of an item's evaluation, where they are unlike. */
const unlikeOf = (item) => unlikeTimes.find(({ evaluation, split }) => evaluation === item.section && split === item.split);

/** Times under unlike conditions are no cost to choose by. */
const isComparable = (metric) => !(unlikeTimes.length && TIMES.includes(metric.name));
const costs = COSTS.map(metricNamed).filter(Boolean).filter(isComparable);
/** Masks leave a network its parameters and take values from them; a hundredth of zeros comes about without. */
const hasMasks = rows.some((row) => row.values.nonzeros < 0.99 * row.values.parameters);
const qualities = metrics.filter((metric) => !COSTS.includes(metric.name));
const higherIsBetter = (metric) => metric["higher-is-better"] === true;

/** Evaluations in the order of the document, each with its split. */
const evaluations = [...new Set([...groups, ...rows].map((item) => item.evaluation))].map((name) => {
  const first = rows.find((row) => row.evaluation === name);
  return { name, split: first?.split, images: first?.images };
});

/** Axes with their values; those that only rows mention come last. */
const axes = (() => {
  const found = new Map(list(report.axes).map((axis) => [axis.name, [...list(axis.values)]]));
  for (const item of [...rows, ...list(report.training), ...list(report.pruning)]) {
    for (const [axis, value] of entries(item.axes)) {
      if (!found.has(axis)) found.set(axis, []);
      const values = found.get(axis);
      if (!values.some((other) => identity(other) === identity(value))) values.push(value);
    }
  }
  return [...found].map(([name, values]) => ({ name, values }));
})();

const seriesAxes = list(report.series);
const panelAxis = report.panel || null;

/** What a network's series is called: its stage, and its values of the axes that make series. */
function seriesOf(item) {
  const parts = seriesAxes.filter((axis) => axis in (item.axes || {})).map((axis) => shown(item.axes[axis]));
  return [item.name, ...parts].join(" · ");
}

/** Series in order of appearance, references first; each has a place among the colours and shapes. */
const series = new Map();
for (const reference of [true, false]) {
  for (const group of groups) {
    if (Boolean(group.reference) !== reference) continue;
    const label = seriesOf(group);
    const colours = [...series.values()].filter((other) => !other.reference).length;
    if (!series.has(label)) series.set(label, { label, reference, index: reference ? -1 : colours });
    group.series = series.get(label);
  }
}

const panelOf = (item) => (panelAxis && panelAxis in item.axes ? shown(item.axes[panelAxis]) : "");

const chances = new Map(rows.map((row) => [row.evaluation, row.chance]));

/** The share of right answers that the best answer without looking gets, where the document says it. */
const chanceOf = (evaluation) => chances.get(evaluation) ?? null;

for (const row of rows) row.trouble = row.diverged ? "diverged" : row.collapsed ? "collapsed" : "";

// A group has collapsed when all its networks have; some of them are told by their number. Those that diverged have
// collapsed too.
for (const group of groups) {
  const [networks, diverged] = [group.networks ?? 1, group.diverged ?? 0];
  const told = (count, all, word) => (count > 0 ? (count < all ? `${count} ${word}` : word) : null);
  const collapsed = (group.collapsed ?? 0) - diverged;
  group.trouble = group.alone ? group.alone.trouble
    : [told(collapsed, networks - diverged, "collapsed"), told(diverged, networks, "diverged")].filter(Boolean).join(", ");
  group.collapsed = group.alone ? group.alone.collapsed === true : group.collapsed > 0 && group.collapsed >= networks;
}

/** The reference that a group is held against: the one that shares most axes and contradicts none. */
const references = groups.filter((group) => group.reference);
for (const group of groups) {
  const fits = (other) => other.evaluation === group.evaluation
    && entries(other.axes).every(([axis, value]) => !(axis in group.axes) || identity(group.axes[axis]) === identity(value));
  const shared = (other) => Object.keys(other.axes).filter((axis) => axis in group.axes).length;
  const candidates = references.filter(fits).sort((a, b) => shared(b) - shared(a));
  group.against = group.reference ? group : candidates[0] || null;
}

/** A group's mean of a metric as a share of its reference's; null without one, and of times under unlike conditions. */
function shareOfReference(group, metric) {
  if (TIMES.includes(metric) && unlikeOf(group)) return null;
  const [own, other] = [group.values[metric]?.mean, group.against?.values[metric]?.mean];
  return group.against !== group && isNumber(own) && other > 0 ? own / other : null;
}
