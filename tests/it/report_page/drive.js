// Does with the page what a reader does, and tells what came of it.
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const middle = (element) => {
  const box = element.getBoundingClientRect();
  return { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
};
const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const type = (text) => {
  one("#search").value = text;
  one("#search").dispatchEvent(new Event("input"));
};
const card = one("#card");
const found = {};

found.sections = all("main > section").map((section) => section.id);
found.panels = all(".panel figcaption").map((caption) => caption.textContent);

const mark = one('.panel [data-network="tuned[arch=resnet,criterion=l1,sparsity=0.5]"]');
const plot = mark.closest("svg");
const away = { bubbles: true, clientX: plot.getBoundingClientRect().right - 2, clientY: plot.getBoundingClientRect().bottom - 2 };
plot.dispatchEvent(new PointerEvent("pointermove", middle(mark)));
found.hover = { card: card.hidden ? "" : card.textContent };
plot.dispatchEvent(new PointerEvent("pointermove", away));
found.hover.gone = card.hidden;

plot.dispatchEvent(new MouseEvent("click", middle(mark)));
found.click = { pinned: card.classList.contains("pinned") };
plot.dispatchEvent(new PointerEvent("pointermove", away));
plot.dispatchEvent(new PointerEvent("pointerleave"));
found.click.stays = !card.hidden && card.textContent.includes("sparsity=0.5");
found.click.copies = card.querySelector("button.copy") !== null;
press(document.body, "Escape");
found.click.closed = card.hidden;

found.keys = { cards: [] };
for (const key of ["Home", "ArrowRight", "ArrowLeft"]) {
  press(plot, key);
  found.keys.cards.push(card.getAttribute("aria-label"));
}
found.keys.said = one("#said").textContent;
press(plot, "Enter");
found.keys.pinned = card.classList.contains("pinned") && card.contains(document.activeElement);
press(document.activeElement, "Escape");
found.keys.closed = card.hidden;

const rings = all(".panel circle.collapsed");
const inside = (ring) => {
  const [box, frame] = [ring.getBoundingClientRect(), ring.closest("svg").getBoundingClientRect()];
  return box.top >= frame.top && box.bottom <= frame.bottom && box.left >= frame.left && box.right <= frame.right;
};
found.collapsed = { rings: rings.length, inside: rings.every(inside),
  words: rings.every((ring) => ring.closest("svg").textContent.includes("1 collapsed")) };

/** The numbers of a column, as they are read. */
const column = (id) => {
  const index = all("#table thead button").findIndex((button) => button.dataset.column === id);
  return all("#table tbody tr").map((line) => {
    const [, number, unit] = line.children[index].firstChild.textContent.match(/^([\d.,]+)\s*(k|M)?/);
    return Number(number.replace(",", "")) * ({ k: 1e3, M: 1e6 }[unit] || 1);
  });
};
const sortBy = (id) => {
  one(`#table thead [data-column="${id}"]`).click();
  return [column(id), one(`#table thead [data-column="${id}"]`).closest("th").getAttribute("aria-sort")];
};
const [rising, falling] = [sortBy("parameters"), sortBy("parameters")];
found.sort = { rising: rising[0], falling: falling[0], aria: [rising[1], falling[1]] };

const [first, second] = all("#table tbody tr");
first.focus();
press(first, "ArrowDown");
found["table-keys"] = { moved: document.activeElement === second };
press(second, "Enter");
found["table-keys"].opened = card.classList.contains("pinned") && card.getAttribute("aria-label") === second.dataset.network;
press(document.body, "Escape");

const lines = () => all("#table tbody tr").length;
const marks = () => all(".panels [data-network]").length;
const chip = one('.chip[data-axis="arch"][data-value=\'"resnet"\']');
found.filter = { all: lines() };
type("sparsity=0.9 CRITERION=l1");
Object.assign(found.filter, { typed: lines(), marks: marks() });
chip.click();
found.filter.both = lines();
type("");
found.filter.chip = lines();
chip.click();
found.filter.cleared = lines();

const seeds = all("#table .controls button").find((button) => button.textContent === "Every seed");
seeds.click();
found.seeds = lines();
seeds.click();

found.hostile = { shown: one("#table").textContent.includes("</scr" + "ipt><img src=x onerror=alert(1)>"), images: document.images.length,
  scripts: document.scripts.length };

const evaluation = all(".filters select")[0];
found.evaluations = { chosen: evaluation.value };
evaluation.value = "score-validation";
evaluation.dispatchEvent(new Event("change"));
found.evaluations.panels = all(".panel").length;

const before = one(".layer-bars figcaption").textContent;
found.layers = { lines: all(".map button").length, bars: all(".layer-bars tr").length };
all(".map button")[1].click();
found.layers.changed = one(".layer-bars figcaption").textContent !== before;

press(one(".curves .plot"), "ArrowRight");
found.training = one(".curves .readout").textContent;
found.stages = { nodes: all(".graph .node").length, edges: all(".graph .edge").length };

found.theme = [document.documentElement.dataset.theme];
one(".theme").click();
found.theme.push(document.documentElement.dataset.theme);

tell(found);
