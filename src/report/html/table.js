// The table of all networks: sorts by any column, shows means over seeds or every seed, and scrolls inside its box.

/** Lines drawn at once; scrolling down draws more, and paper gets all. */
const LINES = 200;

/** Metrics that are put away until somebody asks for their column. */
const PUT_AWAY = ["top5", "loss", "dense-bytes", "throughput"];

function makeTable() {
  const columns = tableColumns();
  const away = new Set(columns.filter((column) => PUT_AWAY.includes(column.id)).map((column) => column.id));
  const first = columns.find((column) => column.id === choices.y) || columns[0];
  const sort = { id: first.id, down: first.bestIsHigh === true };
  let lines = [];
  let drawn = 0;
  const head = html("thead");
  const body = html("tbody", { keydown: (event) => tableKey(event, more) });
  const box = html("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Networks, scrolls", scroll: () => {
    if (box.scrollTop + box.clientHeight > box.scrollHeight - 400) more();
  } }, html("table", { class: "networks" }, head, body));
  const shownColumns = () => columns.filter((column) => !away.has(column.id) && (!column.seedsOnly || choices.seeds)
    && (!column.groupsOnly || !choices.seeds));

  const more = (all = false) => {
    if (drawn >= lines.length) return false;
    const next = lines.slice(drawn, all ? lines.length : drawn + LINES);
    const visible = shownColumns();
    body.append(...next.map((item, index) => tableLine(item, visible, drawn + index === 0)));
    drawn += next.length;
    return true;
  };
  const draw = () => {
    notes.replaceChildren(...tableNotes());
    const column = columns.find((candidate) => candidate.id === sort.id);
    lines = sorted(choices.seeds ? visibleRows() : visibleGroups(), column, sort.down);
    drawHeads(head, shownColumns(), sort, draw);
    body.replaceChildren();
    drawn = 0;
    box.scrollTop = 0;
    if (!more()) body.append(html("tr", {}, html("td", { class: "empty", colspan: 99 }, "No network passes the filters.")));
  };
  const notes = html("div");
  const several = groups.some((group) => group.rows.length > 1);
  const seedsToggle = toggle("Every seed", false, () => {
    choices.seeds = !choices.seeds;
    seedsToggle.setAttribute("aria-pressed", String(choices.seeds));
    draw();
  }, { class: "chip" });
  const element = section("table", "All networks", null,
    html("p", { class: "note only-screen" }, "Sort by a column's head. Enter or a click on a line opens the network's card."),
    html("div", { class: "controls" }, several ? seedsToggle : null, columnChooser(columns, away, draw)), box, notes);
  addEventListener("beforeprint", () => more(true));
  onChange(draw);
  return { element, draw };
}

/** Of an item, group or row: a metric's mean. */
const meanOf = (item, name) => (isGroup(item) ? item.values[name]?.mean : item.values[name]);

/** Columns: how a line's value is found, for sorting, and how it is shown. */
function tableColumns() {
  const columns = [{ id: "network", title: "network", value: (item) => nameOf(item), head: true,
    cell: (item) => [item.group || item.series ? swatch((item.group || item).series) : null, html("span", {}, item.name)] }];
  for (const axis of axes.filter((axis) => axis.values.length > 1)) {
    if (![...groups, ...rows].some((item) => axis.name in item.axes)) continue;
    columns.push({ id: `axis ${axis.name}`, title: axisHead(axis.name), seedsOnly: isSeed(axis.name),
      value: (item) => item.axes[axis.name], cell: (item) => (axis.name in item.axes ? shown(item.axes[axis.name]) : "") });
  }
  const tested = ["top1", ...metrics.map((metric) => metric.name)]
    .find((name) => groups.some((group) => isNumber(group.versus?.[name]?.difference)));
  if (groups.some((group) => group.n > 1)) {
    columns.push({ id: "n", title: "n", number: true, groupsOnly: true, bestIsHigh: true, about: "seeds; those that made the same networks count once",
      value: (item) => item.n, cell: (item) => (isNumber(item.n) ? fixed(item.n, 0) : DASH) });
  }
  for (const metric of metrics) {
    columns.push({ id: metric.name, title: metric.title, number: true, bestIsHigh: higherIsBetter(metric),
      value: (item) => meanOf(item, metric.name), cell: (item) => metricCell(item, metric) });
    if (metric.name === tested) columns.push(...versusColumns(metric));
  }
  if (groups.some((group) => isNumber(group.rank))) {
    columns.push({ id: "rank", title: "rank", number: true, groupsOnly: true, bestIsHigh: false, about: "mean rank over settings; 1 is best",
      value: (item) => item.rank, cell: (item) => (isNumber(item.rank) ? fixed(item.rank, 1) : DASH) });
  }
  return columns;
}

/** An axis that is called like another column says that it is one. */
const axisHead = (name) => (["network", "n", "difference", "p", "rank", ...metrics.map((metric) => metric.title)].includes(name) ? `matrix.${name}` : name);

function metricCell(item, metric) {
  const text = markedTime(item, metric,
    isGroup(item) ? measureWithSpread(metric, item.values[metric.name]) : measure(metric, item.values[metric.name]));
  const share = isGroup(item) && COSTS.includes(metric.name) ? shareOfReference(item, metric.name) : null;
  const trouble = item.trouble && metric.name === "top1" ? html("b", { class: "warning" }, ` ${item.trouble}`) : null;
  return [text, trouble, isNumber(share) ? html("span", { class: "share" }, times(share)) : null];
}

/** A time under conditions that are not those of all others of its evaluation is marked, as in the text. */
const markedTime = (item, metric, text) => (TIMES.includes(metric.name) && unlikeOf(item) && text !== DASH ? `${text}*` : text);

/** More stages or networks than this are not listed. */
const LISTED = 12;

/** What the table is of, times that are not to be compared, and stages that diverged and so are not in it. */
function tableNotes() {
  const { split, images } = evaluations.find(({ name }) => name === choices.evaluation) || {};
  const shown = (names) => `${names.slice(0, LISTED).join(", ")}${names.length > LISTED ? ` and ${names.length - LISTED} more` : ""}`;
  const first = ofEvaluation(groups)[0];
  const unlike = first && unlikeOf(first);
  const diverged = list(report.diverged).filter(passesElsewhere);
  return [
    isNumber(images) ? html("p", { class: "note" }, `Measured on ${plural(images, "image")}${split ? ` of the ${split} split` : ""}.`) : null,
    unlike ? html("div", { class: "note" }, `* Times under unlike conditions, not to be compared; --refresh ${first.section} measures all of them again.`,
      html("ul", {}, list(unlike.conditions).map(([conditions, models]) => html("li", {}, `${shown(list(models))}: ${conditions}`)))) : null,
    diverged.length ? html("div", { class: "note" }, html("b", { class: "warning" }, `${plural(diverged.length, "stage")} diverged`), " and made no network:",
      html("ul", {}, diverged.slice(0, LISTED).map(({ stage, message }) => html("li", {}, html("b", {}, breakable(stage)), ` ${message}`)),
        diverged.length > LISTED ? html("li", {}, `and ${diverged.length - LISTED} more`) : null)) : null,
  ].filter(Boolean);
}

/** The difference to the reference, seed by seed, and how likely chance alone makes one as large. */
function versusColumns(metric) {
  const of = (item) => item.versus?.[metric.name];
  return [{ id: "difference", title: "difference", number: true, groupsOnly: true, bestIsHigh: higherIsBetter(metric),
    about: `${metric.title} minus the reference's, seed by seed, with its 95 % interval`, value: (item) => of(item)?.difference,
    cell: (item) => {
      const { difference: mean, low, high } = of(item) || {};
      return [difference(metric, mean), isNumber(low) ? html("span", { class: "share" }, `${difference(metric, low).split(THIN)[0]} to ${difference(metric, high)}`) : null];
    } },
  { id: "p", title: "p", number: true, groupsOnly: true, bestIsHigh: false, about: "how likely chance alone makes a difference as large, adjusted by Holm for all comparisons of this evaluation",
    value: (item) => of(item)?.["p-holm"], cell: (item) => probability(of(item)?.["p-holm"]) }];
}

/** Values that were not measured come last, whichever way the column is sorted. */
function sorted(items, column, down) {
  const known = (value) => value !== null && value !== undefined;
  const compare = (a, b) => {
    if (isNumber(a) && isNumber(b)) return a - b;
    return String(shown(a)).localeCompare(String(shown(b)), "en", { numeric: true });
  };
  return items.map((item) => [column.value(item), item]).sort(([a], [b]) => {
    if (!known(a) || !known(b)) return Number(known(b)) - Number(known(a));
    return down ? compare(b, a) : compare(a, b);
  }).map(([, item]) => item);
}

function drawHeads(head, columns, sort, draw) {
  const focused = head.contains(document.activeElement) ? document.activeElement.dataset.column : null;
  head.replaceChildren(html("tr", {}, columns.map((column) => {
    const chosen = sort.id === column.id;
    const button = html("button", { type: "button", "data-column": column.id, title: column.about, click: () => {
      Object.assign(sort, chosen ? { down: !sort.down } : { id: column.id, down: column.bestIsHigh === true });
      draw();
      say(`sorted by ${column.title}, ${sort.down ? "highest first" : "lowest first"}`);
    } }, column.title);
    const order = sort.down ? "descending" : "ascending";
    return html("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": chosen ? order : null }, button);
  })));
  if (focused) head.querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function tableLine(item, columns, isFirst) {
  const open = (event) => {
    const box = line.getBoundingClientRect();
    showCard(item, { x: event.clientX || box.left + 40, y: event.clientY || box.top }, { pin: true, origin: line });
  };
  const line = html("tr", { tabindex: isFirst ? 0 : -1, class: item.reference ? "reference-line" : null, click: open, "data-network": nameOf(item),
    keydown: (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      open(event);
    } },
  columns.map((column) => html(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: column.number ? "number" : null },
    column.cell(item))));
  return line;
}

/** Up and down go from line to line. */
function tableKey(event, more) {
  const line = event.target.closest("tr");
  if (!line || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  if (event.key === "ArrowDown" && !line.nextElementSibling) more();
  const next = event.key === "ArrowDown" ? line.nextElementSibling : line.previousElementSibling;
  event.preventDefault();
  if (!next) return;
  line.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Which columns are there. */
function columnChooser(columns, away, draw) {
  return html("details", { class: "control columns" }, html("summary", {}, "Columns"),
    html("div", { class: "chips" }, columns.filter((column) => !column.head).map((column) => {
      const box = html("input", { type: "checkbox", checked: !away.has(column.id), change: () => {
        if (box.checked) away.delete(column.id);
        else away.add(column.id);
        draw();
      } });
      return html("label", {}, box, column.title);
    })));
}
