// What pruning left, layer by layer: a map of all pruned networks, and the bars of the one that is chosen.

/** More lines than this are too many to look at; filters bring others up. */
const MAP_LINES = 60;

function makeLayers() {
  const instances = list(report.pruning).filter((instance) => list(instance.layers).length > 0)
    .map((instance) => ({ ...instance, axes: instance.axes || {} }));
  if (instances.length === 0) return null;
  const view = { counted: instances.some((one) => one.layers.some((layer) => before(layer, "weights") > 0)) ? "weights" : "channels", chosen: null };
  const both = ["weights", "channels"].filter((counted) => instances.some((one) => one.layers.some((layer) => before(layer, counted) > 0)));
  const holder = html("div", { class: "layers" });
  const controls = html("div", { class: "controls" }, both.length > 1
    ? chooser("count", both.map((counted) => [counted, counted === "weights" ? "non-zero weights" : "channels"]), view.counted, (value) => {
      view.counted = value;
      redraw();
    }) : null);
  const element = section("layers", "What pruning left",
    "Each line is a pruned network, each cell a layer from image to logits; the darker, the more is left. Choose a line for its layers in numbers.",
    controls, holder);
  const draw = (width) => {
    const passing = instances.filter(passesElsewhere);
    if (!passing.includes(view.chosen)) view.chosen = passing[0] || null;
    if (!view.chosen) return holder.replaceChildren(html("p", { class: "empty" }, "No pruned network passes the filters."));
    const choose = (instance) => {
      view.chosen = instance;
      redraw();
      holder.querySelector(".map [aria-pressed=true]")?.focus({ preventScroll: true });
    };
    holder.replaceChildren(layerMap(passing, view, choose), layerBars(view.chosen, view.counted, width));
  };
  const redraw = () => draw(Math.floor(widthOf(holder, 640)));
  return { element, draw: () => {
    drawnAtWidth(holder, draw);
    onChange(inAMoment(redraw));
  } };
}

const before = (layer, counted) => layer[counted]?.[0];
const after = (layer, counted) => layer[counted]?.[1];

/** What share of a layer is left; null for layers without such things. */
function keptShare(layer, counted) {
  const share = after(layer, counted) / before(layer, counted);
  return isNumber(share) ? Math.max(0, Math.min(1, share)) : null;
}

/** The share of the whole network that is left, by the layers that count. */
function keptOfAll(instance, counted) {
  const sum = (pick) => instance.layers.reduce((total, layer) => total + (pick(layer, counted) || 0), 0);
  return sum(after) / sum(before);
}

/** The values of an instance's axes, and its stage only where there are several: its whole name would be cut off. */
function shortName(instance, several) {
  const values = entries(instance.axes).map(([axis, value]) => (isSeed(axis) ? `seed ${shown(value)}` : shown(value)));
  return [several || values.length === 0 ? instance.name : null, ...values].filter(Boolean).join(" · ");
}

function layerMap(instances, view, choose) {
  const several = new Set(instances.map((instance) => instance.name)).size > 1;
  const lines = instances.slice(0, MAP_LINES).map((instance) => {
    const cells = instance.layers.map((layer) => ({ layer, share: keptShare(layer, view.counted) })).filter(({ share }) => share !== null);
    const name = instance.stage || instanceName(instance.name, instance.axes);
    const kept = keptOfAll(instance, view.counted);
    const strip = svg("svg", { viewBox: `0 0 ${Math.max(1, cells.length)} 1`, preserveAspectRatio: "none", "aria-hidden": "true" },
      cells.map(({ layer, share }, index) => svg("rect", { x: index + 0.04, y: 0.06, width: 0.92, height: 0.88, class: "cell", "fill-opacity": (0.08 + 0.92 * share).toFixed(3) },
        svg("title", {}, `${layer.layer}: ${measure({ unit: "share" }, share)} left`))));
    return html("button", { type: "button", "aria-pressed": String(instance === view.chosen), click: () => choose(instance),
      "aria-label": `${name}: ${measure({ unit: "share" }, kept)} left` },
    html("span", { class: "name", title: name }, shortName(instance, several)), strip, html("span", { class: "number" }, measure({ unit: "share" }, kept)));
  });
  const rest = instances.length - lines.length;
  return html("div", { class: "map", role: "group", "aria-label": "Pruned networks" }, lines,
    rest > 0 ? html("p", { class: "note" }, `${plural(rest, "more network")}: filter to see others.`) : null);
}

/** A bar a layer: its outline is what was there, the filling what is left. */
function layerBars(instance, counted, width) {
  const layers = instance.layers.filter((layer) => before(layer, counted) > 0);
  const most = Math.max(...layers.map((layer) => before(layer, counted)));
  const metric = { unit: "" };
  const lines = layers.map((layer) => {
    const [was, is] = [before(layer, counted), after(layer, counted)];
    // Layers differ by orders of magnitude: by the square root the small ones can still be seen.
    const long = Math.sqrt(was / most) * 100;
    const share = keptShare(layer, counted) ?? 0;
    const bar = svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "was", x: 0, y: 1, width: round(long), height: 8 }),
      svg("rect", { class: "is", x: 0, y: 1, width: Math.round(long * share * 100) / 100, height: 8 }));
    return html("tr", {}, html("th", { scope: "row" }, layer.layer), html("td", { class: "wide" }, bar),
      html("td", { class: "number" }, `${measure(metric, is)} of ${measure(metric, was)}`),
      html("td", { class: "number faint" }, measure({ unit: "share" }, share)));
  });
  const name = instance.stage || instanceName(instance.name, instance.axes);
  return html("figure", { class: "layer-bars" },
    html("figcaption", {}, html("b", {}, breakable(name)), width > 500 ? html("span", { class: "faint" }, "length: square root of what was there") : null),
    html("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": `Layers of ${name}` },
      html("table", {}, html("tbody", {}, lines))));
}
