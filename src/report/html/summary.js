// The headline, and what the numbers say: for each panel the smallest network that loses no more than allowed.

/** The header: what was run, and how much of it is there. */
function drawHeader() {
  const pipeline = report.pipeline || {};
  document.title = pipeline.name ? `${pipeline.name} · pleach report` : "pleach report";
  const networks = new Set(rows.map((row) => row.model)).size || groups.length;
  const seeds = axes.find((axis) => isSeed(axis.name))?.values.length || 1;
  const facts = [networks ? plural(networks, "network") : null, seeds > 1 ? plural(seeds, "seed") : null, ...savedWords()].filter(Boolean);
  document.getElementById("top").append(
    html("div", { class: "masthead" },
      html("div", {},
        html("h1", {}, pipeline.name || "pleach report"),
        pipeline.description ? html("p", { class: "lead" }, pipeline.description) : null,
        html("p", { class: "note" }, facts.join(" · "))),
      themeToggle()),
    html("nav", { "aria-label": "Sections" }));
}

/** The results that are there, and the time that making them took. */
function savedWords() {
  const saved = report.saved;
  if (!saved || !(saved.stages > 0)) return [];
  const time = isNumber(saved.seconds) && saved.seconds > 0 ? `, made in ${duration(saved.seconds)}` : "";
  return [`${plural(saved.stages, "result")}${time}`];
}

/** Light or dark: as the system has it until the reader says otherwise. */
function themeToggle() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  // Pages from files may have no storage.
  try { chosen = localStorage.getItem("pleach-theme"); } catch { chosen = null; }
  const button = html("button", { type: "button", class: "control theme", click: () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("pleach-theme", chosen); } catch { /* it lasts as long as the page */ }
    apply();
  } });
  const apply = () => {
    root.dataset.theme = chosen || (dark.matches ? "dark" : "light");
    button.textContent = root.dataset.theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Use ${button.textContent.toLowerCase()} colours`);
  };
  dark.addEventListener("change", apply);
  apply();
  return button;
}

/** How much top-1 may be lost, in shares. */
const TOLERANCES = [0, 0.005, 0.01, 0.02, 0.05];

const pointsOf = (share) => `${significant(share * 100, 1)} ${share === 0.01 ? "point" : "points"}`;

/** Of a panel's groups the one that costs least, among those that lose no more than allowed and have not collapsed. */
function smallestThatKeeps(candidates, cost) {
  const value = (group) => group.values[cost.name]?.mean;
  const keeps = candidates.filter((group) => !group.reference && !group.collapsed && group.against && isNumber(value(group))
    && isNumber(group.values.top1?.mean) && isNumber(group.against.values.top1?.mean)
    && group.values.top1.mean >= group.against.values.top1.mean - choices.tolerance - 1e-12);
  const cheaper = higherIsBetter(cost) ? (a, b) => value(b) - value(a) : (a, b) => value(a) - value(b);
  // Of networks that cost the same, as a method and its control do, the more accurate one.
  const best = keeps.sort((a, b) => cheaper(a, b) || b.values.top1.mean - a.values.top1.mean)[0];
  const saves = best && (higherIsBetter(cost) ? shareOfReference(best, cost.name) > 1 : shareOfReference(best, cost.name) < 1);
  return saves ? best : null;
}

/** The section of findings; absent where there is no reference to hold networks against. */
function makeFindings() {
  const cost = () => metricNamed(choices.x);
  if (!cost() || !metricNamed("top1") || !groups.some((group) => group.against && group.against !== group)) return null;
  const lines = html("ul", { class: "findings" });
  const title = html("span");
  const split = () => evaluations.find((evaluation) => evaluation.name === choices.evaluation)?.split;
  const note = html("p", { class: "note" });
  const element = section("findings", title, null,
    html("div", { class: "controls" },
      chooser("may lose", TOLERANCES.map((share) => [String(share), share ? `${pointsOf(share)} of top-1` : "nothing"]),
        String(choices.tolerance), (value) => choose(() => { choices.tolerance = Number(value); })),
      chooser("counted by", costs.map((metric) => [metric.name, metric.title]), choices.x,
        (value) => choose(() => { choices.x = value; }))),
    lines, note);
  const draw = () => {
    const panels = [...new Set(visibleGroups().filter((group) => group.against && group.against !== group).map(panelOf))];
    const name = higherIsBetter(cost()) ? "Fastest" : "Smallest";
    const allowed = choices.tolerance ? `within ${pointsOf(choices.tolerance)}` : "at or above the top-1";
    title.textContent = `${name} network ${allowed} of its reference`;
    lines.replaceChildren(...panels.map((panel) => {
      const found = smallestThatKeeps(visibleGroups().filter((group) => panelOf(group) === panel), cost());
      const where = panel ? html("span", { class: "where" }, panel) : null;
      if (!found) return html("li", { class: "faint" }, where, html("span", {}, `none ${allowed} of its reference costs less than it`));
      return finding(found, where, cost());
    }));
    note.textContent = split() === "test"
      ? "Picked by looking at the test split: on new images expect a little less."
      : `Picked by the ${split() || "evaluated"} split.`;
    for (const select of element.querySelectorAll("select")) {
      if ([...select.options].some((option) => option.value === choices.x)) select.value = choices.x;
    }
  };
  onChange(draw);
  draw();
  return element;
}

function finding(group, where, cost) {
  const top1 = metricNamed("top1");
  const loss = group.values.top1.mean - group.against.values.top1.mean;
  const tested = group.versus?.top1;
  const between = isNumber(tested?.low) ? `, ${difference(top1, tested.low)} to ${difference(top1, tested.high)}` : "";
  const n = isNumber(group.n) ? `, n\u00a0${group.n}` : "";
  // A mean of few seeds may keep what the next seed loses.
  const unsure = between && tested.low < -choices.tolerance - 1e-12;
  const open = html("button", { type: "button", class: "link", click: (event) =>
    showCard(group, { x: event.clientX || 40, y: event.clientY || 80 }, { pin: true, origin: open }) },
  swatch(group.series),
  breakable(instanceName(group.name, Object.fromEntries(entries(group.axes).filter(([axis]) => axis !== panelAxis)))));
  return html("li", {}, where, open,
    html("span", { class: "finding" },
      html("b", {}, times(shareOfReference(group, cost.name))), ` the ${cost.title}, `,
      html("b", {}, measureWithSpread(top1, group.values.top1)), " top-1 ",
      html("span", { class: "faint" }, `(${difference(top1, isNumber(tested?.difference) ? tested.difference : loss)} against ${group.against.name}${between}${n})`),
      unsure ? html("b", { class: "warning" }, " more seeds may show a larger loss") : null));
}
