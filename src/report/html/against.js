// The results held against those of another report: before and now, setting by setting.

const AGAINST = ["top1", "parameters", "macs", "bytes"];

function makeAgainst() {
  const lines = list(report.against?.networks);
  if (lines.length === 0) return null;
  const shownPair = (metric, [before, now]) => {
    if (before === now || !isNumber(before)) return measure(metric, now);
    return isNumber(now) ? `${measure(metric, before)} → ${measure(metric, now)}` : measure(metric, before);
  };
  const metrics = AGAINST.map(metricNamed).filter(Boolean);
  const top1 = metricNamed("top1");
  const versus = (line) => {
    const tested = line.top1;
    if (!top1 || !isNumber(tested?.difference)) return DASH;
    const between = isNumber(tested.low) ? ` (${difference(top1, tested.low)} to ${difference(top1, tested.high)})` : "";
    return difference(top1, tested.difference) + between;
  };
  const value = (setting) => (setting === null || setting === undefined ? "nothing" : String(setting));
  const changes = (line) => line.because
    || list(line.changed).map(([field, before, now]) => `${field} ${value(before)} → ${value(now)}`).join(", ");
  const line = (held) => html("tr", {},
    html("td", {}, held.evaluation),
    html("td", {}, breakable(instanceName(held.name, held.axes || {}))),
    metrics.map((metric) => html("td", {}, shownPair(metric, held.values?.[metric.name] || []))),
    html("td", {}, versus(held)),
    html("td", { class: "faint" }, changes(held)));
  const heads = ["evaluation", "network", ...metrics.map((metric) => metric.title), "now minus before", "changed"];
  const element = section("against", `Against ${report.against.report}`,
    "Before → now. Accuracies are compared seed by seed where both sides have the same seeds.",
    html("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Against another report, scrolls" },
      html("table", {}, html("thead", {}, html("tr", {}, heads.map((head) => html("th", {}, head)))), html("tbody", {}, lines.map(line)))));
  return { element, draw: () => {} };
}
