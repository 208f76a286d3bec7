// What the reader has chosen, and what that leaves to show. Everything on the page follows the same choices.

const choices = {
  evaluation: (evaluations.find((evaluation) => evaluation.split === "test") || evaluations[0])?.name,
  x: (hasMasks && metricNamed("nonzeros") || costs[0])?.name || null,
  y: (metricNamed("top1") || qualities[0])?.name || null,
  xScale: "log",
  yScale: null, // null: what fits the data
  tolerance: 0.01,
  text: "",
  values: new Map(), // axis -> set of identities; an axis that is absent lets everything pass
  hidden: new Set(), // labels of series that the legend has put away
  seeds: false, // the table: one line a seed
};

const listeners = [];

/** Calls `listener` after every change of a choice. */
const onChange = (listener) => listeners.push(listener);

/** Changes choices, then draws anew what depends on them. */
function choose(change) {
  change(choices);
  for (const listener of listeners) listener();
}

/** The axes to filter by: those with several values, and the stage's name as one of them. */
const filterAxes = (() => {
  const names = [...new Set(groups.map((group) => group.name))];
  const all = [{ name: "stage", values: names, of: (item) => item.name },
    ...axes.filter((axis) => !isSeed(axis.name)).map((axis) => ({ ...axis, of: (item) => item.axes?.[axis.name] }))];
  return all.filter((axis) => axis.values.length > 1);
})();

/** What the text filter looks at. Settings are part of it, so that `epochs=5` finds something. */
const searched = new WeakMap();
function searchText(item) {
  if (!searched.has(item)) {
    const settings = [...list(item.settings), ...list(item.rows?.[0]?.settings)].map(([key, value]) => `${key}=${value}`);
    const names = [item.model || item.stage, instanceName(item.name, item.axes), ...list(item.rows).map((row) => row.model)];
    const parts = [...names, item.series?.label, ...settings];
    searched.set(item, parts.filter(Boolean).join(" ").toLowerCase());
  }
  return searched.get(item);
}

/**
 * Whether the filters let an instance pass. One that does not depend on an axis serves all its values, so that axis does
 * not put it away.
 */
function passes(item) {
  for (const axis of filterAxes) {
    const wanted = choices.values.get(axis.name);
    const value = axis.of(item);
    if (wanted?.size && value !== undefined && !wanted.has(identity(value))) return false;
  }
  const words = choices.text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => searchText(item).includes(word));
}

/** Whether an instance of a stage that is not evaluated passes: its stage's name is no reason to put it away. */
function passesElsewhere(item) {
  const stages = choices.values.get("stage");
  choices.values.delete("stage");
  const passed = passes(item);
  if (stages) choices.values.set("stage", stages);
  return passed;
}

const ofEvaluation = (items) => items.filter((item) => item.evaluation === choices.evaluation);

/** The groups to show, series that were put away left out. */
const visibleGroups = () => ofEvaluation(groups).filter((group) => passes(group) && !choices.hidden.has(group.series.label));

/** The rows to show: a row is there when its seed passes. */
const visibleRows = () => ofEvaluation(rows).filter((row) => passes(row)
  && !(row.group && choices.hidden.has(row.group.series.label)));

const isFiltered = () => choices.text.trim() !== "" || choices.hidden.size > 0
  || [...choices.values.values()].some((wanted) => wanted.size > 0);

/** The choices as a sentence, for paper, where the controls are not. */
function choicesInWords() {
  const parts = [...choices.values].filter(([, wanted]) => wanted.size)
    .map(([axis, wanted]) => `${axis} ${[...wanted].map((value) => shown(JSON.parse(value))).join(" or ")}`);
  if (choices.text.trim()) parts.push(`"${choices.text.trim()}"`);
  if (choices.hidden.size) parts.push(`without ${[...choices.hidden].join(", ")}`);
  return parts.join("; ");
}
