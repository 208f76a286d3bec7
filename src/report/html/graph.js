// The stages: which one needs which, how many instances each has, and what they cost. Layers from left to right, or from
// top to bottom where there is little width.

const NODE = { width: 178, height: 62 };

function makeGraph() {
  const nodes = list(report.graph?.nodes);
  if (nodes.length === 0) return null;
  const names = new Set(nodes.map((node) => node.name));
  const edges = list(report.graph.edges).filter(([from, to]) => names.has(from) && names.has(to));
  const holder = html("div", { class: "graph" });
  const saved = savedWords();
  const seconds = nodes.reduce((total, node) => total + (node.seconds || 0), 0);
  const note = [seconds > 0 ? `All stages together took ${duration(seconds)}.` : "",
    saved.length ? `The cache saved what was there already: ${saved[0]}.` : ""].filter(Boolean).join(" ");
  const element = section("stages", "Stages", note, holder);
  return { element, draw: () => drawnAtWidth(holder, (width) => holder.replaceChildren(drawGraph(nodes, edges, width))) };
}

/** Every node's layer: one behind the last of those it needs. */
function layersOf(nodes, edges) {
  const layer = new Map(nodes.map((node) => [node.name, 0]));
  // As many rounds as there are nodes settle any graph without cycles, and end on one that has some.
  for (let round = 0; round < nodes.length; round++) {
    let moved = false;
    for (const [from, to] of edges) {
      if (layer.get(to) <= layer.get(from) && layer.get(from) + 1 < nodes.length) {
        layer.set(to, layer.get(from) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return layer;
}

/**
 * Layers of places. An edge over several layers gets a place in each between, so that it goes around nodes. Places are then
 * ordered by the mean order of their neighbours, back and forth, which leaves few crossings.
 */
function arranged(nodes, edges) {
  const layer = layersOf(nodes, edges);
  const layers = [];
  const place = (index, item) => ((layers[index] ||= []).push(item), item);
  const byName = new Map(nodes.map((node) => [node.name, place(layer.get(node.name), { node, before: [], after: [] })]));
  const routes = edges.map(([from, to, role]) => {
    const route = [byName.get(from)];
    for (let index = layer.get(from) + 1; index < layer.get(to); index++) route.push(place(index, { node: null, before: [], after: [] }));
    route.push(byName.get(to));
    route.slice(1).forEach((item, index) => {
      item.before.push(route[index]);
      route[index].after.push(item);
    });
    return { route, role };
  });
  const number = () => layers.forEach((items) => items.forEach((item, index) => { item.order = index - (items.length - 1) / 2; }));
  number();
  for (let sweep = 0; sweep < 8; sweep++) {
    const side = sweep % 2 ? "after" : "before";
    for (const items of sweep % 2 ? [...layers].reverse() : layers) {
      const middle = new Map(items.map((item) => {
        const near = item[side].map((other) => other.order);
        return [item, near.length ? near.reduce((a, b) => a + b, 0) / near.length : item.order];
      }));
      items.sort((a, b) => middle.get(a) - middle.get(b));
      number();
    }
  }
  return { layers, routes };
}

function drawGraph(nodes, edges, width) {
  const { layers, routes } = arranged(nodes, edges);
  const across = Math.max(...layers.map((items) => items.length));
  const sideways = width >= 620;
  // A place of an edge alone needs less room than a node.
  const room = (item) => (item.node ? 1 : sideways ? 0.4 : 0.15);
  for (const items of layers) {
    const total = items.reduce((sum, item) => sum + room(item), 0);
    let sum = 0;
    for (const item of items) {
      item.middle = sum + room(item) / 2 - total / 2;
      sum += room(item);
    }
  }
  const extent = Math.max(...layers.flat().map((item) => Math.abs(item.middle) + room(item) / 2)) * 2;
  const step = sideways ? { along: NODE.width + 46, across: NODE.height + 20 } : { along: NODE.height + 38, across: NODE.width + 12 };
  const [along, over] = [layers.length * step.along - (sideways ? 46 : 38) + 4, extent * step.across];
  const size = sideways ? { width: along, height: over } : { width: over, height: along };
  layers.forEach((items, index) => items.forEach((item) => {
    const [first, second] = [index * step.along + 2 + (sideways ? NODE.width : NODE.height) / 2, over / 2 + item.middle * step.across];
    [item.x, item.y] = sideways ? [first, second] : [second, first];
  }));
  const label = `${plural(nodes.length, "stage")}, ${plural(edges.length, "edge")}, ${plural(layers.length, "layer")}, at most ${across} side by side`;
  // A little smaller is better than scrolling, much smaller is not.
  const fits = width / size.width > 0.75;
  return svg("svg", { class: fits ? "fits" : null, viewBox: `0 0 ${Math.ceil(size.width)} ${Math.ceil(size.height)}`, width: Math.ceil(size.width), height: Math.ceil(size.height), role: "img", "aria-label": label },
    routes.map((edge) => drawEdge(edge, sideways)),
    layers.flat().filter((item) => item.node).map(drawNode));
}

function drawEdge({ route, role }, sideways) {
  // Edges bend between layers only: beside nodes they run straight.
  const half = sideways ? NODE.width / 2 : NODE.height / 2;
  const leave = (item) => (sideways ? [item.x + half, item.y] : [item.x, item.y + half]);
  const enter = (item) => (sideways ? [item.x - half, item.y] : [item.x, item.y - half]);
  let path = `M${leave(route[0]).map(round).join()}`;
  for (let index = 1; index < route.length; index++) {
    const [[x0, y0], [x1, y1]] = [leave(route[index - 1]), enter(route[index])];
    const bend = sideways ? [(x0 + x1) / 2, y0, (x0 + x1) / 2, y1] : [x0, (y0 + y1) / 2, x1, (y0 + y1) / 2];
    path += `C${[...bend, x1, y1].map(round).join()}`;
    if (index < route.length - 1) path += `L${leave(route[index]).map(round).join()}`;
  }
  const [from, to] = [route[0].node.name, route[route.length - 1].node.name];
  return svg("path", { class: role === "teacher" ? "edge teaches" : "edge", d: path }, svg("title", {}, `${from} to ${to}${role ? `, as ${role}` : ""}`));
}

function drawNode({ node, x, y }) {
  const [left, top] = [round(x - NODE.width / 2), round(y - NODE.height / 2)];
  const counts = [["cached", node.cached], ["run", node.run], ["maybe", node.maybe]].filter(([, count]) => count > 0);
  const total = counts.reduce((sum, [, count]) => sum + count, 0) || 1;
  const inside = NODE.width - 20;
  let from = left + 10;
  const bars = counts.map(([state, count]) => {
    const bar = svg("rect", { class: `state ${state}`, x: round(from), y: top + NODE.height - 9, width: round((inside * count) / total), height: 3 });
    from += (inside * count) / total;
    return bar;
  });
  const many = node.instances > 1 ? ` × ${fixed(node.instances, 0)}` : "";
  const facts = [node.kind, isNumber(node.seconds) && node.seconds > 0 ? duration(node.seconds) : null].filter(Boolean).join(" · ");
  const states = counts.map(([state, count]) => `${count} ${state}`).join(", ");
  const letters = 21 - many.length;
  const name = node.name.length > letters ? `${node.name.slice(0, letters - 1)}…` : node.name;
  return svg("g", { class: "node" },
    svg("title", {}, [`${node.name}${many}: ${states || facts}`, list(node.axes).length ? `axes: ${node.axes.join(", ")}` : ""].filter(Boolean).join("\n")),
    svg("rect", { class: "box", x: left, y: top, width: NODE.width, height: NODE.height, rx: 5 }),
    svg("text", { class: "name", x: left + 10, y: top + 19 }, name, svg("tspan", { class: "faint" }, many)),
    svg("text", { class: "label", x: left + 10, y: top + 34 }, facts),
    svg("text", { class: "label", x: left + 10, y: top + 48 }, states),
    bars);
}
