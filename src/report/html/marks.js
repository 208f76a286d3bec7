// Shapes and colours of series. Seven colours and six shapes go round together, so that neighbours differ in both and the
// first forty-two series differ in one at least; colours alone tell nothing that shapes do not.

const COLOURS = 7;

const SHAPES = [
  (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0Z`,
  (x, y, r) => polygon(x, y, r * 1.15, [[-0.78, -0.78], [0.78, -0.78], [0.78, 0.78], [-0.78, 0.78]]),
  (x, y, r) => polygon(x, y, r * 1.2, [[0, -1], [0.95, 0.7], [-0.95, 0.7]]),
  (x, y, r) => polygon(x, y, r * 1.2, [[0, -1], [0.85, 0], [0, 1], [-0.85, 0]]),
  (x, y, r) => polygon(x, y, r * 1.2, [[0, 1], [0.95, -0.7], [-0.95, -0.7]]),
  (x, y, r) => polygon(x, y, r * 1.15, [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35],
    [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35], [-1, -0.35], [-0.35, -0.35]]),
];

function polygon(x, y, r, corners) {
  return `M${corners.map(([dx, dy]) => `${round(x + dx * r)},${round(y + dy * r)}`).join("L")}Z`;
}

const STAR = Array.from({ length: 10 }, (_, index) => {
  const [angle, far] = [Math.PI * (index / 5 - 0.5), index % 2 ? 0.45 : 1.25];
  return [Math.cos(angle) * far, Math.sin(angle) * far];
});

const round = (value) => Math.round(value * 10) / 10;

/** The outline of a series' mark around (x, y): a star for references. */
function markAt(of, x, y, r) {
  return of.reference ? polygon(x, y, r * 1.1, STAR) : SHAPES[of.index % SHAPES.length](round(x), round(y), r);
}

/** The class that gives a series its colour: references have the text's. */
const colourClass = (of) => (of.reference ? "ink" : `colour-${of.index % COLOURS}`);

/** A series' mark as a small picture beside its name. */
function swatch(of) {
  return svg("svg", { class: `swatch ${colourClass(of)}`, width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" },
    svg("path", { class: "mark", d: markAt(of, 7, 7, 4.6) }));
}

/** The series of stages that are not evaluated have colours too: the same as their descendants' where axes agree. */
const otherSeries = new Map();
function seriesElsewhere(item) {
  const label = seriesOf(item);
  if (series.has(label)) return series.get(label);
  const values = label.split(" · ").slice(1).join(" · ");
  const kin = values && [...series.values()].find((other) => other.label.split(" · ").slice(1).join(" · ") === values);
  if (!otherSeries.has(label)) otherSeries.set(label, { label, reference: false, index: kin ? kin.index : otherSeries.size });
  return otherSeries.get(label);
}
