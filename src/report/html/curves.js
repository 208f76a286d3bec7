// Training curves: for every stage that trains its loss and its accuracy by epoch, one line an instance.

const CURVES = { left: 46, right: 10, top: 22, bottom: 30, height: 210 };

/** What is drawn beside each other: the history's fields, the solid one first. */
const CURVE_KINDS = [
  { title: "loss", solid: "loss", faint: null },
  { title: "accuracy", solid: "validation-accuracy", faint: "accuracy", unit: "share" },
];

function makeCurves() {
  const instances = list(report.training).filter((instance) => list(instance.epochs).length > 0)
    .map((instance) => ({ ...instance, axes: instance.axes || {} }));
  if (instances.length === 0) return null;
  const holder = html("div", { class: "curves" });
  const element = section("training", "Training",
    "One line a trained network, in its series' colour. Solid accuracy lines are on validation images, dashed ones on training images.", holder);
  const draw = (width) => {
    const names = [...new Set(instances.map((instance) => instance.name))];
    const wide = width >= 680;
    const each = wide ? Math.floor((width - 24) / 2) : width;
    holder.replaceChildren(...names.map((name) => {
      const own = instances.filter((instance) => instance.name === name && passesElsewhere(instance));
      if (own.length === 0) return null;
      const readout = html("output", { class: "readout" }, plural(own.length, "instance"));
      const plots = CURVE_KINDS.map((kind) => drawCurves(own, kind, each, readout)).filter(Boolean);
      return html("figure", {}, html("figcaption", {}, html("b", {}, name), readout), html("div", { class: wide ? "pair" : null }, plots));
    }).filter(Boolean));
    if (!holder.firstChild) holder.append(html("p", { class: "empty" }, "No trained network passes the filters."));
  };
  return { element, draw: () => {
    drawnAtWidth(holder, draw);
    onChange(inAMoment(() => draw(Math.floor(widthOf(holder, 640)))));
  } };
}

/** One plot; null when no instance has anything of it. */
function drawCurves(instances, kind, width, readout) {
  const fields = [kind.solid, kind.faint].filter(Boolean);
  const values = instances.flatMap((instance) => instance.epochs.flatMap((epoch) => fields.map((field) => epoch[field]))).filter(isNumber);
  if (values.length === 0) return null;
  const extreme = (pick, items) => items.reduce((a, b) => pick(a, b));
  const epochs = instances.flatMap((instance) => instance.epochs.map((epoch) => epoch.epoch));
  const [low, high] = kind.unit === "share" ? [Math.max(0, extreme(Math.min, values) - 0.03), Math.min(1, extreme(Math.max, values) + 0.03)]
    : [Math.min(0, extreme(Math.min, values)), extreme(Math.max, values) * 1.04];
  const scales = { x: linearScale(Math.min(1, extreme(Math.min, epochs)), Math.max(2, extreme(Math.max, epochs)), Math.max(2, Math.floor(width / 90))),
    y: linearScale(low, high, 4) };
  const edges = { left: CURVES.left, right: width - CURVES.right, top: CURVES.top, bottom: CURVES.height - CURVES.bottom };
  const at = (epoch, value) => ({ x: round(edges.left + scales.x.at(epoch) * (edges.right - edges.left)),
    y: round(edges.bottom - scales.y.at(value) * (edges.bottom - edges.top)) });
  const path = (instance, field) => {
    const places = instance.epochs.filter((epoch) => isNumber(epoch[field])).map((epoch) => at(epoch.epoch, epoch[field]));
    if (places.length === 1) return `M${places[0].x - 3},${places[0].y}h6`;
    return places.length ? `M${places.map(({ x, y }) => `${x},${y}`).join("L")}` : "";
  };
  // A path a series and not one an instance: thousands of lines stay quick.
  const bySeries = new Map();
  for (const instance of instances) {
    const colour = colourClass(seriesElsewhere(instance));
    if (!bySeries.has(colour)) bySeries.set(colour, []);
    bySeries.get(colour).push(instance);
  }
  const solid = instances.some((instance) => instance.epochs.some((epoch) => isNumber(epoch[kind.solid])));
  const metric = { unit: kind.unit || "" };
  const chosen = svg("g", { class: "chosen" });
  const drawing = svg("svg", { class: instances.length > 24 ? "plot many" : "plot", viewBox: `0 0 ${width} ${CURVES.height}`, tabindex: 0, role: "application", "aria-roledescription": "chart",
    "aria-label": `${instances[0].name}: ${kind.title} by epoch, ${plural(instances.length, "instance")}. Arrow keys go from one to the next.` },
  svg("path", { class: "grid", d: scales.y.ticks.map((tick) => `M${edges.left},${at(1, tick).y}H${edges.right}`).join("") }),
  scales.y.ticks.map((tick) => svg("text", { class: "tick", x: edges.left - 8, y: at(1, tick).y + 4, "text-anchor": "end" }, tickText(metric, tick))),
  scales.x.ticks.filter(Number.isInteger).map((tick) => svg("text", { class: "tick", x: at(tick, low).x, y: edges.bottom + 16, "text-anchor": "middle" }, tick)),
  svg("text", { class: "label", x: edges.left, y: edges.top - 9 }, kind.title),
  svg("text", { class: "label", x: edges.right, y: edges.bottom + 28, "text-anchor": "end" }, "epoch"),
  [...bySeries].map(([colour, own]) => svg("g", { class: colour },
    kind.faint ? svg("path", { class: solid ? "curve dashed" : "curve", d: own.map((instance) => path(instance, kind.faint)).join("") }) : null,
    svg("path", { class: "curve", d: own.map((instance) => path(instance, kind.solid)).join("") }))),
  chosen);
  const choose = (instance) => {
    chosen.setAttribute("class", `chosen ${colourClass(seriesElsewhere(instance))}`);
    chosen.replaceChildren(svg("path", { d: path(instance, solid || !kind.faint ? kind.solid : kind.faint) }));
    readout.textContent = describeTraining(instance);
  };
  const clear = () => {
    chosen.replaceChildren();
    readout.textContent = plural(instances.length, "instance");
  };
  listenToCurves(drawing, instances, fields, at, width, choose, clear);
  return drawing;
}

/** `student[seed=1], 15 epochs: loss 0.31, accuracy 92.0 %, validation 90.1 %`: the last epoch. */
function describeTraining(instance) {
  const last = instance.epochs[instance.epochs.length - 1];
  const parts = [isNumber(last.loss) ? `loss ${significant(last.loss)}` : null,
    isNumber(last.accuracy) ? `accuracy ${measure({ unit: "share" }, last.accuracy)}` : null,
    isNumber(last["validation-accuracy"]) ? `validation ${measure({ unit: "share" }, last["validation-accuracy"])}` : null,
    isNumber(last["inactive-units"]) ? plural(last["inactive-units"], "inactive unit") : null].filter(Boolean);
  return `${instance.stage || instanceName(instance.name, instance.axes)}, epoch ${last.epoch}: ${parts.join(", ")}`;
}

/** The pointer finds the nearest line; the arrow keys go through all. */
function listenToCurves(drawing, instances, fields, at, width, choose, clear) {
  let current = -1;
  const nearest = (event) => {
    const box = drawing.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * CURVES.height];
    let [found, least] = [null, 30];
    for (const instance of instances) {
      for (const epoch of instance.epochs) {
        for (const field of fields) {
          if (!isNumber(epoch[field])) continue;
          const place = at(epoch.epoch, epoch[field]);
          const far = Math.hypot((place.x - px) * 0.6, place.y - py);
          if (far < least) [found, least] = [instance, far];
        }
      }
    }
    return found;
  };
  const look = (event) => {
    const found = nearest(event);
    if (found) choose(found);
    else clear();
  };
  drawing.addEventListener("pointermove", look);
  drawing.addEventListener("pointerdown", look);
  drawing.addEventListener("pointerleave", clear);
  drawing.addEventListener("blur", clear);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    current = (current + step + instances.length) % instances.length;
    choose(instances[current]);
    say(describeTraining(instances[current]));
  });
}
