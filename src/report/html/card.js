// The card of one network: what it is worth, what it costs, how it was made, and the command that exports it. It follows
// the pointer or the keyboard; a click or Enter keeps it open, so that its buttons can be reached.

const cardElement = document.getElementById("card");
const card = { subject: null, pinned: false, origin: null, closing: false };

const isGroup = (subject) => Array.isArray(subject.rows);
const nameOf = (subject) => (isGroup(subject) ? instanceName(subject.name, subject.axes) : subject.model);

/** Shows the card of a group or a row near a place in the window, unless another one was kept open. */
function showCard(subject, at, { pin = false, origin = null } = {}) {
  if (card.pinned && !pin) return;
  if (card.subject !== subject || card.pinned !== pin) {
    cardElement.replaceChildren(...cardContent(subject, pin));
    cardElement.setAttribute("aria-label", nameOf(subject));
    cardElement.scrollTop = 0;
  }
  Object.assign(card, { subject, pinned: pin, origin: origin || (pin ? card.origin : null) });
  cardElement.hidden = false;
  cardElement.classList.toggle("pinned", pin);
  if (at) placeCard(at);
  if (pin) cardElement.querySelector("button")?.focus({ preventScroll: true });
}

/** Closes the card, one that is kept open only by `force`, and gives the focus back. */
function hideCard(force = false) {
  if (cardElement.hidden || (card.pinned && !force)) return;
  const back = card.pinned && cardElement.contains(document.activeElement) ? card.origin : null;
  cardElement.hidden = true;
  Object.assign(card, { subject: null, pinned: false, origin: null });
  // A chart that is given the focus in this way does not show the card again.
  card.closing = true;
  back?.focus({ preventScroll: true });
  card.closing = false;
}

/** Beside the place, on the side with more room. On phones the style sheet puts the card at the bottom instead. */
function placeCard(at) {
  const [width, height, gap] = [cardElement.offsetWidth, cardElement.offsetHeight, 18];
  const right = at.x + gap + width < innerWidth;
  const x = right ? at.x + gap : Math.max(8, at.x - gap - width);
  const y = Math.max(8, Math.min(at.y - height / 3, innerHeight - height - 8));
  cardElement.style.setProperty("--x", `${Math.round(x)}px`);
  cardElement.style.setProperty("--y", `${Math.round(y)}px`);
}

function cardContent(subject, pinned) {
  const group = isGroup(subject) ? subject : subject.group;
  const rowsInside = isGroup(subject) ? subject.rows : [subject];
  return [
    html("div", { class: "card-head" },
      group ? swatch(group.series) : null,
      html("strong", {}, breakable(nameOf(subject))),
      pinned ? html("button", { type: "button", class: "quiet", "aria-label": "Close", click: () => hideCard(true) }, "×") : null),
    html("p", { class: "note" }, ...cardNotes(subject, rowsInside)),
    cardValues(subject, group),
    cardTimes(rowsInside),
    isGroup(subject) && subject.rows.length > 1 ? cardSeeds(subject, pinned) : null,
    ...rowsInside.length === 1 ? [perClass(rowsInside[0])] : [],
    cardSettings(rowsInside),
    cardCommand(rowsInside, pinned),
    pinned ? null : html("p", { class: "note only-pointer" }, "Click, or press Enter, to keep this open."),
  ].filter(Boolean);
}

function cardNotes(subject, rowsInside) {
  const notes = [];
  const images = rowsInside[0]?.images;
  if (rowsInside[0]?.split) notes.push(`${rowsInside[0].split} split${images ? `, ${plural(images, "image")}` : ""}`);
  if (isGroup(subject) && rowsInside.length > 1) notes.push(countOf(subject));
  if (subject.reference) notes.push("reference");
  const text = notes.join(" · ");
  const about = { collapsed: "collapsed: no better than without looking", diverged: "diverged: some of its logits are not finite" };
  return subject.trouble ? [text, " ", html("b", { class: "warning" }, about[subject.trouble] || subject.trouble)] : [text];
}

/** What a group's numbers are the mean of: seeds that made the same networks are one. */
function countOf(group) {
  const n = group.n ?? group.rows.length;
  if (n > 1) return `mean of ${plural(n, "seed")}`;
  return list(group.seeds).length > 1 ? `one network for ${plural(group.seeds.length, "seed")}` : `mean of ${plural(group.rows.length, "network")}`;
}

/** All metrics: value, interval, share of the reference or difference to it. */
function cardValues(subject, group) {
  const lines = metrics.map((metric) => {
    const summary = isGroup(subject) ? subject.values[metric.name] : { mean: subject.values[metric.name] };
    if (!isNumber(summary?.mean)) return null;
    const between = isNumber(summary.low) ? interval(metric, summary.mean, summary.low, summary.high) : "";
    const against = isGroup(subject) ? againstReference(group, metric) : "";
    return html("tr", {}, html("th", { scope: "row" }, metric.title), html("td", {}, markedTime(subject, metric, measureWithSpread(metric, summary))),
      html("td", { class: "faint" }, between), html("td", { class: "faint" }, against));
  }).filter(Boolean);
  const intervals = isGroup(subject) && entries(subject.values).some(([, summary]) => isNumber(summary?.low));
  return html("table", { class: "values" },
    isGroup(subject) ? html("thead", {}, html("tr", {}, html("td"), html("th", { scope: "col" }, "mean"),
      html("th", { scope: "col" }, intervals ? "95 % interval" : ""),
      html("th", { scope: "col" }, group?.against && group.against !== group ? `against ${group.against.name}` : ""))) : null,
    html("tbody", {}, lines));
}

/** Under which conditions times were measured. */
function cardTimes(rowsInside) {
  const conditions = [...new Set(rowsInside.map((row) => row.times).filter(Boolean))];
  return conditions.length ? html("p", { class: "note" }, `Times: ${conditions.join("; ")}.`) : null;
}

/** The paired difference where it was tested, otherwise the share of the reference. */
function againstReference(group, metric) {
  const tested = group?.versus?.[metric.name];
  if (isNumber(tested?.difference)) {
    const p = isNumber(tested["p-holm"]) ? `, p\u00a0${probability(tested["p-holm"])}` : "";
    return `${difference(metric, tested.difference)}${p}`;
  }
  const share = group && COSTS.includes(metric.name) ? shareOfReference(group, metric.name) : null;
  return isNumber(share) ? times(share) : "";
}

/** Every seed's value of the chosen metric; in a card that is kept open each leads to that seed's own card. */
function cardSeeds(group, pinned) {
  const metric = metricNamed(choices.y);
  const seeds = group.rows.map((row) => {
    const text = `${seedOf(row) === undefined ? row.model : shown(seedOf(row))}: ${measure(metric, row.values[metric.name])}`;
    return pinned ? html("button", { type: "button", class: "chip", click: () => showCard(row, null, { pin: true }) }, text)
      : html("span", { class: "chip" }, text);
  });
  return html("p", { class: "seeds" }, html("span", { class: "faint" }, `${metric.title} by seed`), ...seeds);
}

/** A bar a class: which classes a network has lost. */
function perClass(row) {
  const shares = list(row["per-class"]);
  if (!shares.some(isNumber)) return null;
  const [step, height] = [Math.max(2, Math.min(18, Math.floor(280 / shares.length))), 30];
  const bars = shares.map((share, index) => (isNumber(share) ? svg("rect", { x: index * step, width: step - 1,
    y: round(height * (1 - share)), height: Math.max(1, round(height * share)) },
  svg("title", {}, `${classOf(row, index)}: ${measure({ unit: "share" }, share)}`)) : null));
  const least = Math.min(...shares.filter(isNumber));
  const worst = `the worst, ${classOf(row, shares.indexOf(least))}, has ${measure({ unit: "share" }, least)}`;
  return html("figure", { class: "per-class" },
    svg("svg", { width: step * shares.length, height, role: "img", "aria-label": `accuracy by class, ${worst}` },
      svg("line", { class: "grid", x1: 0, x2: step * shares.length, y1: 0.5, y2: 0.5 }), bars),
    html("figcaption", { class: "faint" }, `top-1 by class; ${worst}`));
}

/** The manifest's values: those that all the rows share. */
function cardSettings(rowsInside) {
  const same = (rowsInside[0] ? settingsOf(rowsInside[0]) : []).filter(([key, value]) => rowsInside.every((row) =>
    settingsOf(row).some(([otherKey, other]) => otherKey === key && other === value)));
  if (same.length === 0) return null;
  return html("dl", { class: "settings" }, same.map(([key, value]) => [html("dt", {}, String(key)), html("dd", {}, shown(value))]));
}

function cardCommand(rowsInside, pinned) {
  const candidates = rowsInside.filter((row) => row.command);
  if (candidates.length === 0) return null;
  const worth = (row) => (isNumber(row.values?.top1) ? row.values.top1 : -1);
  const row = candidates.reduce((best, candidate) => (worth(candidate) > worth(best) ? candidate : best));
  const which = rowsInside.length > 1 && seedOf(row) !== undefined
    ? `Export the network of seed ${shown(seedOf(row))}, the most accurate` : "Export this network";
  const button = html("button", { type: "button", class: "copy", click: () => copy(row.command, button), tabindex: pinned ? 0 : -1 }, "Copy");
  return html("div", { class: "command" }, html("span", { class: "faint" }, which), html("code", {}, row.command), button);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !cardElement.hidden) hideCard(true);
});

// A press outside closes what was kept open; charts and tables then open another one by themselves.
document.addEventListener("pointerdown", (event) => {
  if (card.pinned && !cardElement.contains(event.target)) hideCard(true);
});
// A card that followed the pointer is in the wrong place after scrolling; the keyboard's moves scroll by themselves.
addEventListener("scroll", () => { if (!card.origin) hideCard(); }, { passive: true });
