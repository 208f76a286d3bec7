// The filters: a search, and chips for the values of axes. They hold for the whole page.

/** The bar of filters. */
function makeFilters() {
  const search = html("input", { type: "search", id: "search", placeholder: "Filter by name, value or setting", "aria-label": "Filter networks by text",
    autocomplete: "off", spellcheck: "false", input: () => choose(() => { choices.text = search.value; }) });
  // What differs in nothing but the seed is counted once.
  const what = groups.some((group) => group.rows.length > 1) ? "setting" : "network";
  const count = html("output", { class: "count", for: "search" });
  const clear = html("button", { type: "button", class: "link", click: () => {
    search.value = "";
    choose(() => {
      choices.text = "";
      choices.values.clear();
      choices.hidden.clear();
    });
  } }, "Show all");
  const chips = html("div", { class: "chips" });
  const words = html("p", { class: "note only-print" });
  const which = evaluations.length > 1 ? chooser("evaluation",
    evaluations.map(({ name, split, images }) => [String(name), measuredOn(name, split, images)]), String(choices.evaluation),
    (value) => choose(() => { choices.evaluation = value; })) : null;
  const draw = () => {
    const [left, all] = [visibleGroups().length, ofEvaluation(groups).length];
    count.textContent = left === all ? plural(all, what) : `${fixed(left, 0)} of ${plural(all, what)}`;
    clear.hidden = !isFiltered();
    words.textContent = isFiltered() ? `Shown: ${choicesInWords()}` : "";
    for (const chip of chips.querySelectorAll("button")) {
      chip.setAttribute("aria-pressed", String(Boolean(choices.values.get(chip.dataset.axis)?.has(chip.dataset.value))));
    }
  };
  chips.append(...filterAxes.map(chipsOf));
  onChange(draw);
  draw();
  return html("div", { class: "filters" },
    html("div", { class: "controls", role: "search" }, which, search, count, clear), chips, words);
}

/** An evaluation with the part of the data that it looked at. */
function measuredOn(name, split, images) {
  const what = [split, isNumber(images) ? plural(images, "image") : null].filter(Boolean).join(", ");
  return what ? `${name} (${what})` : String(name);
}

/** One line of chips; an axis with many values is folded. */
function chipsOf(axis) {
  const chips = axis.values.map((value) => toggle(shown(value), false, () => choose(() => {
    if (!choices.values.has(axis.name)) choices.values.set(axis.name, new Set());
    const wanted = choices.values.get(axis.name);
    if (!wanted.delete(identity(value))) wanted.add(identity(value));
  }), { class: "chip", "data-axis": axis.name, "data-value": identity(value) }));
  const label = html("span", { class: "axis" }, axis.name);
  if (axis.values.length > 12) {
    return html("details", { class: "control" }, html("summary", {}, label, ` ${axis.values.length} values`), ...chips);
  }
  return html("div", { class: "control", role: "group", "aria-label": axis.name }, label, ...chips);
}
