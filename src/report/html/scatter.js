// Accuracy against size: one panel a value of the panel axis, all with the same scales, so that panels can be compared.

const MARGIN = { left: 52, right: 14, top: 26, bottom: 42 };

/** Sizes as they are, or as shares of the panel's reference, which puts panels of large and small networks side by side. */
const X_SCALES = [["log", "logarithmic"], ["linear", "linear"], ...(references.length ? [["share", "share of the reference"]] : [])];

/** The section with the filters, the charts and the legend. */
function makeScatter() {
  const panels = html("div", { class: "panels" });
  const legend = html("div", { class: "legend", role: "group", "aria-label": "Series" });
  const reading = html("p", { class: "note" });
  const how = html("p", { class: "note only-screen" }, "Point at a mark, or focus a chart and use the arrow keys, to see its network; a click or Enter keeps it open.");
  const scaleOptions = [["fitted", "fitted"], ["linear", "linear"], ["error", "logarithm of the error"]];
  const yScale = chooser("scale", scaleOptions, "fitted", (value) => choose(() => { choices.yScale = value === "fitted" ? null : value; }));
  const xChooser = chooser("against", costs.map((metric) => [metric.name, metric.title]), choices.x,
    (value) => choose(() => { choices.x = value; }));
  const controls = html("div", { class: "controls" },
    chooser("show", qualities.map((metric) => [metric.name, metric.title]), choices.y, (value) => choose(() => { choices.y = value; })),
    yScale, xChooser,
    chooser("scale", X_SCALES, choices.xScale, (value) => choose(() => { choices.xScale = value; })));
  const element = section("networks", "Accuracy against size", null, makeFilters(),
    ...(costs.length && qualities.length ? [controls, legend, panels, reading, how] : []));
  if (!costs.length || !qualities.length) return { element, draw: () => {} };
  const draw = (width) => {
    const [x, y] = [metricNamed(choices.x), metricNamed(choices.y)];
    element.querySelector("h2").textContent = `${capital(y.title)} against ${x.title}`;
    xChooser.querySelector("select").value = choices.x;
    yScale.hidden = y.unit !== "share";
    drawLegend(legend);
    const notes = drawPanels(panels, width, x, y);
    const seeds = groups.some((group) => group.rows.length > 1);
    reading.textContent = [seeds ? "Large marks are means over seeds with 95 % intervals, faint ones single seeds." : "",
      "The grey stairs are the Pareto front.", ...notes].filter(Boolean).join(" ");
  };
  return { element, draw: () => {
    drawnAtWidth(panels, draw);
    onChange(() => draw(Math.floor(widthOf(panels, 640))));
  } };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A button a series: pressed ones are shown. */
function drawLegend(legend) {
  const present = new Set(ofEvaluation(groups).map((group) => group.series));
  const focused = document.activeElement?.dataset?.series;
  legend.replaceChildren(...[...series.values()].filter((of) => present.has(of)).map((of) =>
    toggle([swatch(of), html("span", {}, of.label), of.reference ? html("span", { class: "faint" }, "reference") : null],
      !choices.hidden.has(of.label), () => choose(() => {
        if (!choices.hidden.delete(of.label)) choices.hidden.add(of.label);
      }), { class: "series", "data-series": of.label, title: "Show or hide" })));
  if (focused) legend.querySelector(`[data-series="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

/** A network's place in the units of the axes. `factor` leads from its size to the axis. */
function point(subject, xValue, yValue, x) {
  const whole = choices.xScale === "share" ? (isGroup(subject) ? subject : subject.group).against?.values[x.name]?.mean : 1;
  const factor = whole > 0 ? 1 / whole : NaN;
  return { subject, factor, x: isNumber(xValue) ? xValue * factor : NaN, y: yValue };
}

/** Draws all panels anew; returns what has to be said about them. */
function drawPanels(container, width, size, y) {
  const notes = [];
  const x = choices.xScale === "share" ? { ...size, unit: "×", title: `${size.title}, share of the reference's` } : size;
  const placed = (item) => isNumber(item.x) && isNumber(item.y);
  const onScale = (item) => choices.xScale === "linear" || item.x > 0;
  const means = visibleGroups().map((group) => point(group, group.values[x.name]?.mean, group.values[y.name]?.mean, x)).filter(placed);
  const seeds = visibleRows().filter((row) => row.group?.rows.length > 1)
    .map((row) => point(row, row.values[x.name], row.values[y.name], x)).filter(placed);
  const missing = visibleGroups().length - means.length;
  if (missing) notes.push(`${plural(missing, "network")} without a value of ${x.title} or ${y.title} ${missing === 1 ? "is" : "are"} not drawn.`);
  const off = means.filter((item) => !onScale(item)).length;
  if (off) notes.push(`${plural(off, "network")} with nothing of ${x.title} ${off === 1 ? "has" : "have"} no place on a logarithmic axis.`);
  const all = [...means, ...seeds].filter(onScale);
  if (all.length === 0) {
    container.replaceChildren(html("p", { class: "empty" }, "No network passes the filters."));
    return notes;
  }
  // A network that does not depend on the panel axis serves all panels, so it is in each.
  const found = [...new Set(means.map((item) => panelOf(item.subject)))].sort(byPanelOrder);
  const names = found.length > 1 ? found.filter((name) => name !== "") : found;
  const gap = 20;
  const fitting = Math.max(1, Math.floor((width + gap) / (284 + gap)));
  const columns = Math.ceil(names.length / Math.ceil(names.length / fitting));
  const each = { width: Math.floor((width - gap * (columns - 1)) / columns), height: columns <= 2 && width > 700 ? 380 : 320 };
  const scales = { x: xScaleFor(all, x, each), y: yScaleFor(all, y) };
  container.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  container.replaceChildren(...names.map((name) => {
    const inside = (item) => onScale(item) && [name, ""].includes(panelOf(item.subject));
    return drawPanel(name, means.filter(inside), seeds.filter(inside), scales, each, x, y);
  }));
  if (scales.y.cut) notes.push(`The axis is broken below ${measure(y, scales.y.cut)}: the shaded strip holds what lies under it, on a scale of its own.`);
  const beyond = (summary) => isNumber(summary?.low) && (summary.low < scales.y.low || summary.high > scales.y.high);
  if (means.some((item) => beyond(item.subject.values[y.name]))) notes.push("Intervals that reach beyond a panel end at its border.");
  if (means.some((item) => item.subject.collapsed)) notes.push("Collapsed networks, ringed, are no better than an answer without looking, and no part of the front.");
  return notes;
}

/** Panels in the order of the axis's values; others last. */
function byPanelOrder(a, b) {
  const order = (axes.find((axis) => axis.name === panelAxis)?.values || []).map(shown);
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  return place(a) - place(b);
}

function xScaleFor(points, metric, size) {
  const values = points.map((item) => item.x);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // Sizes in bytes have round ticks in the unit that they are shown in.
  const by = metric.unit === "B" ? scaleOf(metric, high).by : 1;
  const count = Math.max(3, Math.min(8, Math.floor(size.width / 80)));
  const scale = choices.xScale !== "linear" ? logScale(low / by / 1.25, (high / by) * 1.25, count)
    : linearScale(Math.min(0, low / by), (high / by) * 1.06, count);
  return { at: (value) => scale.at(value / by), ticks: scale.ticks.map((tick) => tick * by), low: scale.low * by, high: scale.high * by };
}

function yScaleFor(points, metric) {
  const values = points.map((item) => item.y);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (metric.unit !== "share") return linearScale(...padded(low, high, 0.08));
  const within = ([from, to]) => [Math.max(0, from), Math.min(1, to)];
  if (choices.yScale === "error") {
    const errors = values.map((value) => 1 - value).filter((error) => error > 0);
    const smallest = Math.max(1e-4, Math.min(...errors, 0.5) / 1.3);
    return errorScale(Math.max(0, low - 0.05 * (1 - low)), 1 - smallest, smallest);
  }
  const gap = choices.yScale === null ? widestGap(values) : null;
  if (!gap) return linearScale(...within(padded(low, high, 0.08)));
  const [cut, top] = within(padded(gap.above, high, 0.1));
  const [bottom, below] = within(padded(low, gap.below, 0.25));
  return brokenScale(Math.max(0, Math.min(bottom, low - 0.01)), Math.min(Math.max(below, gap.below + 0.02), cut), cut, top);
}

/** Units that are words stand in an axis's title, others behind each tick. */
const isWord = (metric) => (metric.unit || "").length > 3 && metric.unit !== "share";
const axisTitle = (metric) => (isWord(metric) ? `${metric.title}, ${metric.unit}` : metric.title);

/** A tick's text: as few digits as it needs. */
function tickText(metric, value) {
  const { by, unit } = scaleOf(isWord(metric) ? { unit: "" } : metric, value);
  return withUnit((Math.round((value / by) * 1e6) / 1e6 + 0).toLocaleString("en-US", { maximumFractionDigits: 3 }), unit);
}

function drawPanel(name, means, seeds, scales, size, x, y) {
  const edges = { left: MARGIN.left, right: size.width - MARGIN.right, top: MARGIN.top, bottom: size.height - MARGIN.bottom };
  const at = (item) => ({
    x: round(edges.left + scales.x.at(item.x) * (edges.right - edges.left)),
    y: round(edges.bottom - scales.y.at(item.y) * (edges.bottom - edges.top)),
  });
  const marks = means.map((item) => ({ ...item, place: at(item) }));
  const faint = seeds.map((item) => ({ ...item, place: at(item) }));
  const front = paretoFront(means.filter((item) => !item.subject.collapsed), !higherIsBetter(x), higherIsBetter(y));
  const onFront = new Set(front.map((item) => item.subject));
  // Crowded panels have smaller marks.
  const radius = means.length > 80 ? 3.2 : 4.4;
  const halo = svg("circle", { class: "halo", r: 10, visibility: "hidden" });
  const title = `${name || report.pipeline?.name || "networks"}: ${y.title} against ${x.title}`;
  const drawing = svg("svg", { class: "plot", viewBox: `0 0 ${size.width} ${size.height}`, tabindex: 0, role: "application",
    "aria-roledescription": "chart", "aria-label": `${title}, ${plural(means.length, "network")}. Arrow keys go from one to the next, Enter keeps its card open.` },
  drawAxes(scales, edges, at, x, y),
  drawGuides(means, scales, edges, at, y),
  svg("path", { class: "front", d: stairs(front, at, !higherIsBetter(x), edges) }),
  drawSeries(marks, faint, at, edges, x, y),
  marks.filter((item) => item.subject.collapsed).map((item) => svg("circle", { class: "collapsed", cx: item.place.x, cy: item.place.y, r: 9 })),
  halo,
  marks.map((item) => svg("path", { class: `mark ${colourClass(item.subject.series)}${onFront.has(item.subject) ? " on-front" : ""}`,
    d: markAt(item.subject.series, item.place.x, item.place.y, radius + (onFront.has(item.subject) ? 1 : 0)), "data-network": nameOf(item.subject) })));
  listen(drawing, size, marks, faint, halo, onFront, x, y);
  return html("figure", { class: "panel" }, name ? html("figcaption", {}, name) : null, drawing);
}

function drawAxes(scales, edges, at, x, y) {
  const xTicks = scales.x.ticks.map((tick) => ({ tick, place: at({ x: tick, y: scales.y.low }).x }));
  const yTicks = scales.y.ticks.map((tick) => ({ tick, place: at({ x: scales.x.low, y: tick }).y }));
  const strip = scales.y.cut ? round(edges.bottom - BELOW * (edges.bottom - edges.top)) : null;
  const broken = scales.y.cut ? round(edges.bottom - ABOVE * (edges.bottom - edges.top)) : null;
  return [
    strip === null ? null : svg("rect", { class: "strip", x: edges.left, y: strip, width: edges.right - edges.left, height: edges.bottom - strip }),
    svg("path", { class: "grid", d: yTicks.map(({ place }) => `M${edges.left},${place}H${edges.right}`).join("") }),
    svg("path", { class: "axis", d: `M${edges.left},${edges.bottom}H${edges.right}${xTicks.map(({ place }) => `M${place},${edges.bottom}v4`).join("")}` }),
    broken === null ? null : svg("path", { class: "axis", d: `M${edges.left - 5},${strip + 1}l10,-4M${edges.left - 5},${broken + 3}l10,-4` }),
    yTicks.map(({ tick, place }) => svg("text", { class: "tick", x: edges.left - 8, y: place + 4, "text-anchor": "end" }, tickText(y, tick))),
    xTicks.map(({ tick, place }) => svg("text", { class: "tick", x: place, y: edges.bottom + 17, "text-anchor": "middle" }, tickText(x, tick))),
    svg("text", { class: "label", x: edges.left, y: edges.top - 12 }, axisTitle(y)),
    svg("text", { class: "label", x: edges.right, y: edges.bottom + 35, "text-anchor": "end" }, axisTitle(x)),
  ];
}

/** Lines to compare with: the references, and guessing. */
function drawGuides(means, scales, edges, at, y) {
  const level = (value) => at({ x: scales.x.low, y: value }).y;
  const references = means.filter((item) => item.subject.reference);
  const chance = y.name === "top1" ? chanceOf(choices.evaluation) : null;
  const collapsed = means.filter((item) => item.subject.collapsed).length;
  return [
    references.slice(0, 3).map((item) => [
      svg("path", { class: "reference", d: `M${edges.left},${level(item.y)}H${edges.right}` }),
      references.length > 1 ? null : svg("text", { class: "label", x: edges.left + 6, y: level(item.y) - 5 }, item.subject.name),
    ]),
    chance !== null && chance >= scales.y.low ? [
      svg("path", { class: "chance", d: `M${edges.left},${level(chance)}H${edges.right}` }),
      svg("text", { class: "label", x: edges.right - 4, y: level(chance) - 6, "text-anchor": "end" },
        `guessing ${tickText(y, chance)}`),
    ] : null,
    collapsed ? svg("text", { class: "warning", x: edges.right, y: edges.top - 12, "text-anchor": "end" }, `${collapsed} collapsed`) : null,
  ];
}

/** Of every series: its seeds, the intervals of its means, and a line through means that differ in one axis only. */
function drawSeries(marks, faint, at, edges, x, y) {
  const present = [...new Set([...marks, ...faint].map((item) => (item.subject.series || item.subject.group.series)))];
  return present.map((of) => {
    const own = marks.filter((item) => item.subject.series === of);
    const seeds = faint.filter((item) => item.subject.group.series === of);
    return svg("g", { class: colourClass(of) },
      svg("path", { class: "thread", d: thread(own) }),
      svg("path", { class: "seed", d: seeds.map((item) => markAt(of, item.place.x, item.place.y, 2.6)).join("") }),
      svg("path", { class: "interval", d: own.map((item) => intervals(item, at, edges, x, y)).join("") }));
  });
}

function thread(marks) {
  const values = new Map();
  for (const { subject } of marks) {
    for (const [axis, value] of entries(subject.axes)) values.set(axis, (values.get(axis) || new Set()).add(identity(value)));
  }
  const varying = [...values].filter(([, seen]) => seen.size > 1);
  const whole = varying.every(([axis]) => marks.every(({ subject }) => axis in subject.axes));
  if (marks.length < 2 || varying.length !== 1 || !whole) return "";
  return `M${[...marks].sort((a, b) => a.x - b.x).map(({ place }) => `${place.x},${place.y}`).join("L")}`;
}

/** Up and down, and to the sides where the cost was measured with a spread. They end at the borders. */
function intervals({ subject, factor, x: xValue, y: yValue, place }, at, edges, x, y) {
  const within = (value, low, high) => Math.max(low, Math.min(high, value));
  let path = "";
  if (isNumber(subject.values[y.name]?.low)) {
    const [low, high] = [subject.values[y.name].low, subject.values[y.name].high]
      .map((value) => within(at({ x: xValue, y: value }).y, edges.top, edges.bottom));
    path += `M${place.x},${low}V${high}`;
  }
  if (subject.values[x.name]?.low > 0) {
    const [low, high] = [subject.values[x.name].low, subject.values[x.name].high]
      .map((value) => within(at({ x: value * factor, y: yValue }).x, edges.left, edges.right));
    if (high - low > 2) path += `M${low},${place.y}H${high}`;
  }
  return path;
}
